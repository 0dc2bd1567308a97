// SPDX-License-Identifier: Apache-2.0
// Formats that are left to the program ffmpeg, with small scripts in its place.
#include "audio/ffmpeg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/decode.h"
#include "audio/test_files.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string mp4(
    "\0\0\0\x18"
    "ftypmp42",
    12);

class Ffmpeg : public AudioFiles {
 protected:
  // Writes a shell script as the program ffmpeg, the only one in PATH.
  void install(const std::string& commands) {
    const Path program = write_bytes("ffmpeg", "#!/bin/sh\n" + commands + "\n");
    fs::permissions(program, fs::perms::owner_all);
    ::setenv("PATH", folder_.c_str(), 1);
  }
  // Writes the samples as ffmpeg does; returns the command that prints the file.
  std::string printed(int rate, int channels, const std::vector<float>& samples) {
    const Path file = write("out", SF_FORMAT_AU | SF_FORMAT_FLOAT, rate, channels, samples);
    return "/bin/cat " + file.string();
  }
};

TEST_F(Ffmpeg, DecodesWhatTheProgramWrites) {
  const auto samples = sine(440, 16000, 3);
  install(printed(16000, 1, samples));
  const Path path = write_bytes("a.wav", mp4);
  const Audio audio = load_audio(path);
  EXPECT_EQ(audio.samples, samples);
  EXPECT_EQ(audio.rate, 16000);
  EXPECT_DOUBLE_EQ(audio_seconds(path), 3);
  EXPECT_EQ(load_audio(path, {1, 2}).samples, std::vector<float>(samples.begin() + 16000, samples.begin() + 32000));
  EXPECT_THAT(message(path, {1, 4}), HasSubstr("not inside the file, which lasts 3.000000 s"));
  install(printed(48000, 2, sine(440, 48000, 2, 2)));
  EXPECT_EQ(load_audio(path).channels, 2);
  EXPECT_DOUBLE_EQ(load_audio(path).seconds, 2);
}

TEST_F(Ffmpeg, NamesAreNeitherOptionsNorProtocols) {
  const Path words = folder_ / "words";
  install("printf '%s\\n' \"$@\" > " + words.string() + "; " + printed(16000, 1, sine(440, 16000, 1)));
  for (const char* name : {"-y.mp4", "http:x.mp4", "a b'c.mp4", "concat:a|b.mp4"}) {
    EXPECT_EQ(message(write_bytes(name, mp4)), "") << name;
    EXPECT_THAT(read_file(words), HasSubstr("-f\nmov\n-i\nfile:" + (folder_ / name).string() + "\n"));
    EXPECT_THAT(read_file(words), HasSubstr("-protocol_whitelist\nfile,pipe\n"));
  }
}

TEST_F(Ffmpeg, FailuresAndDamageAreErrors) {
  const Path path = write_bytes("a.mp4", mp4);
  const std::string good = printed(16000, 1, sine(440, 16000, 1));
  install("echo '[aac @ 0x1] Number of bands exceeds limit' >&2; exit 1");
  EXPECT_EQ(message(path),
            fmt::format("{0}: this is MPEG-4 audio or video, which ffmpeg cannot decode to its end ([aac] "
                        "Number of bands exceeds limit): copy the file again, or convert it with ffmpeg "
                        "-i '{0}' '{1}'",
                        path.string(), (folder_ / "a.wav").string()));
  install("echo 'Stream map 0:a:0 matches no streams.' >&2; exit 1");
  EXPECT_THAT(message(path), HasSubstr("without an audio stream: leave it out"));
  install(good + "; exit 3");
  EXPECT_THAT(message(path), HasSubstr("it gave no reason"));
  install(good + "; echo '[mov @ 0x1] Packet corrupt' >&2");
  EXPECT_THAT(message(path), HasSubstr("Packet corrupt"));
  install(good + "; echo '[h264 @ 0x1] non-existing PPS 0 referenced' >&2");  // of the video alone
  EXPECT_EQ(message(path), "");
  install(good + "; printf x");
  EXPECT_THAT(message(path), HasSubstr("cannot decode"));
  for (const char* output : {"", ".snd", "This is no audio, but a text that is longer than a header."}) {
    install(fmt::format("printf '{}'", output));
    EXPECT_THAT(message(path), HasSubstr("cannot decode")) << output;
  }
  install("while :; do /bin/cat " + (folder_ / "out").string() + "; done");  // more than a stream, for ever
  EXPECT_NO_THROW(AudioStream(path).read(100));  // and is ended with the stream
}

TEST_F(Ffmpeg, WithoutTheProgramTheMessageHasItsCommand) {
  for (const auto& [bytes, kind] :
       {std::pair{mp4, "MPEG-4"}, std::pair{std::string("#!AMR-WB\n"), "AMR"},
        std::pair{std::string("wvpk"), "WavPack"}, std::pair{std::string("\xff\xfd\x80\x04"), "MPEG layer II"},
        std::pair{std::string("TTA1"), "True Audio"}, std::pair{"G" + std::string(187, 'x') + "G", "MPEG video"}}) {
    const Path path = write_bytes("a.wav", bytes);
    EXPECT_THAT(message(path), HasSubstr(kind));
    EXPECT_THAT(message(path), HasSubstr("without the program ffmpeg: install it, or convert it with ffmpeg -i '" +
                                         path.string() + "' '" + (folder_ / "a-16k.wav").string() + "'"));
  }
  EXPECT_THAT(message(write_bytes("a.mid", "MThd")), HasSubstr("MIDI"));
  EXPECT_EQ(find_ffmpeg(), std::nullopt);
}

}  // namespace
}  // namespace loralens
