// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/written_audio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

TEST(WrittenAudio, NamesStayInTheFolder) {
  const std::string head = "RIFF1234WAVEfmt ";
  for (const auto& [path, name] :
       {std::pair{"a.wav", "a.wav"}, std::pair{"../../x.wav", "x.wav"}, std::pair{"/etc/passwd", "passwd.wav"},
        std::pair{"C:\\clips\\b.WAV", "b.WAV"}, std::pair{"..", "clip.wav"}, std::pair{"", "clip.wav"},
        std::pair{"x/", "clip.wav"}, std::pair{"x/.hidden.wav", "hidden.wav"}, std::pair{"a\nb.wav", "a_b.wav"},
        std::pair{"a.bin", "a.bin.wav"}, std::pair{"a\xff.wav", "a\xef\xbf\xbd.wav"}, std::pair{".wav", "wav.wav"}})
    EXPECT_EQ(safe_audio_name(path, head), name) << path;
  const std::string name = safe_audio_name(fmt::format("{:a<400}é.flac", ""), head);
  EXPECT_LE(name.size(), 200U);
  EXPECT_TRUE(name.ends_with(".flac"));
  EXPECT_EQ(safe_audio_name("", "fLaC"), "clip.flac");
  EXPECT_EQ(safe_audio_name("", "OggS"), "clip.ogg");
  EXPECT_EQ(safe_audio_name("a", "ID3"), "a.mp3");
  EXPECT_EQ(safe_audio_name("a", "\xff\xfb\x90"), "a.mp3");
  EXPECT_THAT(error_of([] { safe_audio_name("a", "what is no audio"); }), HasSubstr("no audio"));
}

TEST(WrittenAudio, OneNameTwiceIsTwoFilesAndDroppedClipsAreRemoved) {
  const TestFolder folder;
  const Path target = folder.path() / "clips-audio";
  Clips clips;
  {
    WrittenAudio audio(target, false);
    for (const char* bytes : {"1", "2", "3"}) {
      Clip clip;
      clip.id = audio.add("x/a.wav", bytes, "train.parquet", clips.clips.size() + 1);
      clip.path = audio.path() / clip.id;
      clips.clips.push_back(clip);
    }
    EXPECT_EQ(audio.add("a-2.wav", "4", "train.parquet", 4), "a-2-2.wav");
    EXPECT_EQ(audio.add("sources.csv.wav", "5", "train.parquet", 5), "sources.csv.wav");
    EXPECT_EQ(clips.clips[2].id, "a-3.wav");
    clips.clips.erase(clips.clips.begin());
    EXPECT_FALSE(std::filesystem::exists(target));
    EXPECT_THAT(audio.finish(clips), HasSubstr("the audio of 2 clips is written to " + target.string()));
  }
  EXPECT_EQ(clips.clips[0].path, target / "a-2.wav");
  EXPECT_EQ(read_file(target / "a-2.wav"), "2");
  EXPECT_EQ(read_file(target / "a-3.wav"), "3");
  EXPECT_EQ(read_file(target / "sources.csv"),
            "file,source,row,path\na-2.wav,train.parquet,2,x/a.wav\na-3.wav,train.parquet,3,x/a.wav\n");
  EXPECT_FALSE(std::filesystem::exists(target / "a.wav"));
}

TEST(WrittenAudio, VanishesWithoutFinishAndReplacesOnlyItsOwn) {
  const TestFolder folder;
  const Path target = folder.path() / "audio";
  {
    WrittenAudio(target, false).add("a.wav", "1", "x", 1);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  const auto write = [&](bool force) {
    WrittenAudio audio(target, force);
    Clips clips{{Clip{}}, {}, {}};
    clips.clips[0].path = audio.path() / audio.add("a.wav", "1", "x", 1);
    audio.finish(clips);
  };
  write(false);
  EXPECT_THAT(error_of([&] { write(false); }), HasSubstr("exists already"));
  EXPECT_EQ(error_of([&] { write(true); }), "");
  folder.write("audio/mine.txt", "kept");
  EXPECT_THAT(error_of([&] { write(true); }), HasSubstr("loralens did not write mine.txt in it"));
  EXPECT_EQ(read_file(target / "mine.txt"), "kept");
}

}  // namespace
}  // namespace loralens
