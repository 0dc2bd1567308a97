"""Command tests of --profile."""
import json

import pytest

from support import expect_error, files_of, run, slow, succeed


@pytest.fixture(scope="module")
def profile(flags, tmp_path_factory):
    """The profile of the training of `folder`/run, as JSON, with the key `folder`."""
    folder = tmp_path_factory.mktemp("profile")
    succeed("train", *flags, "-o", folder / "run", f"--profile={folder / 'profile.json'}")
    return json.loads((folder / "profile.json").read_text()) | {"folder": folder}


@slow
def test_phases_of_training_add_up(profile):
    phases = profile["phases"]
    assert {"load", "decode", "mel", "stem", "inference", "forward", "backward", "optimiser"} <= set(phases)
    assert {name for name, phase in phases.items() if phase["in_background"]} == {"decode", "mel"}
    inside = sum(phase["seconds"] for phase in phases.values() if not phase["in_background"])
    assert 0.5 * profile["seconds"] < inside <= profile["seconds"]
    assert phases["forward"]["calls"] == phases["backward"]["calls"] >= phases["optimiser"]["calls"] > 0
    for name in ("stem", "inference", "forward", "backward"):
        rate = phases[name]["operations"] / phases[name]["seconds"]
        assert 0.01 < rate / profile["peak_operations_per_second"] < 1.5
    assert profile["threads"] == 1
    assert 1e8 < profile["peak_memory_bytes"] < 1e10


@slow
def test_a_profile_leaves_no_trace_in_the_run(profile, trained):
    """The configuration and all bits of the results are those of a run without a profile."""
    seen, plain = files_of(profile["folder"] / "run"), files_of(trained)
    assert set(seen) == set(plain)
    assert {name for name in seen if seen[name] != plain[name]} == set()


@slow
def test_a_profile_is_printed_beside_the_results(trained, clips):
    result = run("predict", trained, "--profile", "--threads", 1, clips[0])
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["label"]
    assert "profile: " in result.stderr and "GFLOP/s" in result.stderr
    for phase in ("load", "decode", "stem", "inference", "other"):
        assert f"\n  {phase} " in result.stderr


@slow
def test_evaluate_without_a_corpus_computes_nothing(trained):
    expect_error(run("evaluate", trained, "--profile"), 2, "--profile", "--corpus")


@slow
def test_a_profile_without_a_folder_fails_before_the_work(trained, clips, tmp_path):
    expect_error(run("predict", trained, f"--profile={tmp_path / 'missing' / 'profile.json'}", clips[0]), 1, "--profile=", "missing")
