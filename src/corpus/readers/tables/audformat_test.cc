// SPDX-License-Identifier: Apache-2.0
// Tests of the reader of audformat databases, without audio.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* header = R"(name: emodb
languages: [deu]
schemes:
  emotion: {dtype: str, labels: [anger, neutral]}
  speaker:
    dtype: int
    labels:
      3: {gender: male, age: 31, language: deu}
      8: {gender: female, age: 34}
  transcription:
    dtype: str
    labels: {a01: Der Lappen liegt auf dem Eisschrank.}
tables:
  emotion: {type: filewise, columns: {emotion: {scheme_id: emotion}}}
  files: {type: filewise, columns: {speaker: {scheme_id: speaker}}}
  parts: {type: segmented, columns: {emotion: {scheme_id: emotion}}}
  votes: {type: filewise, columns: {emotion: {scheme_id: emotion}}}
)";

class Audformat : public testing::Test {
 protected:
  Audformat() {
    folder_.write("db.yaml", header);
    folder_.write("db.emotion.csv",
                  "file,emotion,emotion.confidence\nwav/03a.wav,anger,0.9\nwav/08b.wav,neutral,\n"
                  "wav/08c.wav,,\n");
    folder_.write("db.files.csv",
                  "file,duration,speaker,transcription\nwav/03a.wav,0 days 00:00:01,3,a01\n"
                  "wav/08b.wav,0 days 00:00:02,8,b02\n");
    folder_.write("db.parts.csv",
                  "file,start,end,emotion\nwav/03a.wav,0 days,NaT,anger\n"
                  "wav/08b.wav,0 days 00:00:00.500000,0 days 00:01:02.250000,neutral\n");
  }
  ReadCorpus read(const std::string& table = "") const {
    ReaderOptions options;
    options.table = table;
    return read_corpus("audformat", folder_.path(), options);
  }
  std::string error(const std::string& table = "") const {
    return error_of([&] { read(table); });
  }

  TestFolder folder_;
};

TEST_F(Audformat, JoinsLabelsSpeakersAndTexts) {
  const auto corpus = read();
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger", "neutral"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("3", "8"));
  EXPECT_THAT(column_values(corpus.clips, "gender"), ElementsAre("male", "female"));
  EXPECT_THAT(column_values(corpus.clips, "language"), ElementsAre("deu", "deu"));
  EXPECT_THAT(column_values(corpus.clips, "text"), ElementsAre("Der Lappen liegt auf dem Eisschrank.", "b02"));
  EXPECT_EQ(corpus.clips.clips[0].path, folder_.path() / "wav/03a.wav");
  EXPECT_EQ(corpus.clips.clips[0].corpus, "emodb");
  EXPECT_FALSE(corpus.clips.clips[0].is_segment());
  EXPECT_THAT(corpus.summary, HasSubstr("1 rows without a label are left out"));
  EXPECT_THAT(corpus.summary, HasSubstr("tables that are not stored as CSV are not read: votes"));
}

TEST_F(Audformat, TakesWhatTablesAndSchemesSay) {
  folder_.write("db.yaml", R"(languages: [deu]
schemes:
  emotion: {dtype: str, labels: {W: {name: anger}, N: neutral}}
  speaker: {dtype: int, labels: people}
tables:
  emotion: {columns: {emotion: {scheme_id: emotion}}}
  files: {columns: {speaker: {scheme_id: speaker}, gender: {}}}
)");
  folder_.write("db.people.csv", "speaker,gender,language\n3,male,eng\n08,female,\n");
  folder_.write("db.emotion.csv", "file;emotion\n./wav/03a.wav;W\nwav/08b.wav;N\nwav/09c.wav;X\n");
  folder_.write("db.files.csv", "file,speaker,gender\nwav/03a.wav,3.0,other\nwav/08b.wav,8,\nwav/09c.wav,9,\n");
  const auto corpus = read();
  EXPECT_THAT(column_values(corpus.clips, "label"), ElementsAre("anger", "neutral", "X"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("3", "8", "9"));
  EXPECT_THAT(column_values(corpus.clips, "gender"), ElementsAre("other", "female", ""));
  EXPECT_THAT(column_values(corpus.clips, "language"), ElementsAre("eng", "deu", "deu"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 labels are not in the header's scheme"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 clips have a speaker of whom"));
}

TEST_F(Audformat, NeverGivesASegmentTheSpeakerOfAnother) {
  folder_.write("db.files.csv",
                "file,start,end,speaker\nwav/08b.wav,0 days 00:00:00.5,0 days 00:01:02.25,8\n"
                "wav/08b.wav,0 days 00:01:03,0 days 00:01:04,3\nwav/03a.wav,0 days,NaT,3\n");
  EXPECT_THAT(column_values(read("parts").clips, "speaker"), ElementsAre("3", "8"));
  EXPECT_THAT(error(), HasSubstr("row 3: the speaker is '8' here and '3' in another row")) << "a file of two speakers";
  folder_.write("db.files.csv", "file,speaker\nwav/03a.wav,3\nwav/03a.wav,8\n");
  EXPECT_THAT(error(), HasSubstr("the speaker is '8' here and '3' in another row"));
}

TEST_F(Audformat, ReadsSegments) {
  const auto corpus = read("parts");
  ASSERT_EQ(corpus.clips.clips.size(), 2u);
  EXPECT_FALSE(corpus.clips.clips[0].is_segment()) << "from 0 to the end";
  EXPECT_EQ(corpus.clips.clips[1].start, 0.5);
  EXPECT_EQ(corpus.clips.clips[1].end, 62.25);
  EXPECT_EQ(corpus.clips.clips[1].speaker, "8");
  folder_.write("db.parts.csv", "file,start,end,emotion\na.wav,0 days 00:00:01,NaT,anger\n");
  EXPECT_THAT(error("parts"), HasSubstr("row 2: a segment that begins at 1 s has no end"));
  folder_.write("db.parts.csv", "file,start,end,emotion\na.wav,soon,0 days 00:00:01,anger\n");
  EXPECT_THAT(error("parts"), HasSubstr("'soon' is no time"));
}

TEST_F(Audformat, ThatCannotBeReadSaysWhy) {
  EXPECT_THAT(error("votes"), HasSubstr("'votes' is not stored as CSV"));
  EXPECT_THAT(error("emotoin"), HasSubstr("there is no table 'emotoin'; tables with labels are: emotion parts"));
  folder_.write("db.emotion.csv", "file,emotion\n../a.wav,anger\n");
  EXPECT_THAT(error(), HasSubstr("leads out of the database's folder"));
  std::filesystem::remove(folder_.path() / "db.emotion.csv");
  EXPECT_THAT(error(), HasSubstr("several tables have labels")) << "votes has labels too, but not as CSV";
  EXPECT_EQ(error("parts"), "");
  folder_.write("db.votes.csv", "file,emotion\na.wav,anger\n");
  EXPECT_THAT(error(), HasSubstr("choose with --table NAME, or several as NAME,NAME: parts votes"));
  EXPECT_EQ(error("parts,votes"), "");
  folder_.write("db.yaml", "tables: {none: {type: filewise}}\n");
  EXPECT_THAT(error(), HasSubstr("storage_format='csv'"));
  folder_.write("db.yaml", "tables: [");
  EXPECT_THAT(error(), HasSubstr("no valid YAML"));
  const TestFolder other;
  EXPECT_THAT(error_of([&] { read_corpus("audformat", other.path()); }), HasSubstr("holds no db.yaml"));
}

}  // namespace
}  // namespace loralens
