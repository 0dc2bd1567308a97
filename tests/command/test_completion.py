"""completion and man: made of the command line itself; help COMMAND; train --dry-run."""
import shutil
import subprocess

import pytest

from support import MODEL, expect_error, run, succeed, table_of


def completed(script, *words):
    """What bash offers for the last of these words."""
    line = " ".join(f"'{word}'" for word in ("loralens", *words))
    text = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}; _loralens; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True).stdout.split()


def test_bash_offers_commands_flags_and_values():
    script = succeed("completion", "bash")
    assert completed(script, "tra") == ["train", "transcribe"]
    assert completed(script, "train", "--rank") == ["--rank", "--rank-pattern"]
    assert set(completed(script, "train", "--protocol", "")) == {"strict", "paper"}
    assert "ravdess" in completed(script, "corpus", "rav")
    assert "--labels" in completed(script, "corpus", "ravdess", "a", "--l")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_have_every_flag_and_are_valid(shell):
    script = succeed("completion", shell)
    flags = [word for word in succeed("help", "train").split() if word.startswith("--") and word[2:].isalpha()]
    assert len(flags) > 30
    for flag in flags:
        assert (f"-l {flag[2:]} " if shell == "fish" else flag) in script, flag
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True).returncode == 0


def test_manual_pages_are_troff():
    page = succeed("man", "train")
    assert page.startswith(".TH loralens\\-train 1") and "\\-\\-rank" in page
    assert succeed("man").count(".TP") > 12 and "ravdess" in succeed("man", "corpus", "ravdess")
    expect_error(run("man", "trian"), 2, "no command 'trian'")
    if shutil.which("groff"):
        for words in ([], ["train"], ["corpus", "ravdess"], ["analyze"]):
            printed = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-cbou"], input=succeed("man", *words),
                                     text=True, capture_output=True)
            assert printed.returncode == 0 and not printed.stderr and "OPTIONS" in printed.stdout


def test_help_of_a_command_is_its_help():
    assert succeed("help", "train") == succeed("train", "--help")
    assert succeed("help") == succeed("--help")


def test_a_dry_run_checks_everything_and_writes_nothing(flags, corpus, tmp_path):
    out = tmp_path / "run"
    printed = succeed("train", *flags, "--dry-run", "-o", out)
    assert not list(tmp_path.iterdir())
    assert f"clips       {len(table_of(corpus))}, 4 speakers" in printed and "folds       2, speaker:2" in printed
    assert "trainings   2 of up to 2 epochs" in printed and "rank = 16" in printed
    trained = succeed("train", *flags, "--dry-run", "--targets", "v_proj", "--layers", "all", "--rank", 4, "-o", out)
    assert f"{4 * 4 * 2 * 384} values of the encoder or its adapters" in trained  # layers x rank x (A and B) x width
    expect_error(run("train", *flags, "--dry-run", "--layers", "9", "-o", out), 2, "--layers 9")
    missing = tmp_path / "clips.csv"
    missing.write_text("path,label,speaker\nno.wav,anger,a\nno2.wav,sadness,b\n")
    expect_error(run("train", "--model", MODEL, "--corpus", missing, "--folds", "speaker:2", "--dry-run", "-o", out), 1,
                 "no.wav")
