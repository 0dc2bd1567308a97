// SPDX-License-Identifier: Apache-2.0
#include "corpus/names.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "corpus/groups.h"
#include "corpus/join.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Names : public testing::Test {
 protected:
  std::string table(const std::string& name, const std::string& text) { return folder_.write(name, text).string(); }
  std::string error_with(const std::vector<std::string>& tables, const std::string& labels = "*") {
    return error_of([&] { read_corpora(tables, label_map_of(labels)); });
  }
  TestFolder folder_;
};

TEST_F(Names, OneNameInTwoSpellingsIsRefusedWithBothRows) {
  for (const char* column : {"label", "speaker", "session", "corpus", "gender", "language", "intensity"})
    for (const char* other : {"anna", "Anna ", " Anna", "An\xe2\x80\x8bna", "Ａnna", "Anna\xc2\xa0"}) {
      std::vector<std::string> header = {"path", "label", "speaker"}, row = {"b.wav", "joy", "1"};
      if (std::ranges::find(header, column) == header.end()) header.push_back(column), row.emplace_back();
      const auto place = static_cast<size_t>(std::ranges::find(header, column) - header.begin());
      Table both{header, {row, row, row}};
      both.rows[0][place] = "Anna", both.rows[2][place] = other;
      if (place > 2) both.rows[1][place] = "else";
      for (size_t i = 0; i < 3; ++i) both.rows[i][0] = fmt::format("{}.wav", i);
      const std::string csv = table("t.csv", format_csv(both));
      EXPECT_THAT(error_with({csv}), AllOf(HasSubstr(fmt::format("the {} 'Anna' ({}: row 2)", column, csv)),
                                           HasSubstr("t.csv: row 4) are one name in two spellings")))
          << column << " " << other;
    }
}

TEST_F(Names, NumbersAreComparedWithoutTheirZeros) {
  const auto a = table("a.csv", "path,label,speaker,corpus\na.wav,joy,03,x\n");
  const auto b = table("b.csv", "path,label,speaker,corpus\nb.wav,joy,3,x\n");
  const auto c = table("c.csv", "path,label,speaker,corpus\nc.wav,joy,3.0,x\n");
  const auto d = table("d.csv", "path,label,speaker,corpus\nd.wav,joy,3,y\n");
  EXPECT_THAT(error_with({a, b}), AllOf(HasSubstr("'03' (" + a), HasSubstr("'3' (" + b)));
  EXPECT_THAT(error_with({b, c}), HasSubstr("'3.0'"));
  EXPECT_EQ(error_with({a, d}), "");  // another person, in another corpus
  EXPECT_THAT(error_with({a, table("e.csv", "path,label,speaker,corpus\ne.wav,joy,4,X\n")}),
              HasSubstr("the corpus 'x' ("));
}

TEST_F(Names, LabelsAreComparedAsTheyAreMapped) {
  const auto a = table("a.csv", "path,label,speaker,corpus\na.wav,Anger,1,x\nb.wav,calm,1,x\n");
  const auto b = table("b.csv", "path,label,speaker,corpus\nc.wav,anger,1,y\nd.wav,\"Calm \",1,y\n");
  EXPECT_THAT(error_with({a, b}), HasSubstr("the label 'Anger'"));
  EXPECT_EQ(error_with({a}, "four"), "");
  EXPECT_THAT(error_with({a, b}, "Anger=anger,anger,calm"), HasSubstr("'Calm ' is 'calm' of the label map"));
  EXPECT_EQ(error_with({a, b}, "Anger=anger,anger"), "");  // the map drops calm in both
  EXPECT_THAT(error_with({a}, "Anger=rage,calm=Rage"), HasSubstr("'rage'"));
}

TEST_F(Names, CellsThatCannotBeNamesAreRefused) {
  const auto with = [&](const std::string& row, const std::string& header = "path,label,speaker,text") {
    return error_of([&] { read_clips(folder_.write("t.csv", header + "\n" + row + "\n")); });
  };
  EXPECT_THAT(with("a.wav,joy,\" \",x"), HasSubstr("row 2: the speaker ' ' holds spaces"));
  EXPECT_THAT(with("a.wav,\xe2\x80\x8b,1,x"), HasSubstr("row 2: the label"));
  EXPECT_THAT(with("a.wav,joy,\"An\nna\",x"), HasSubstr("row 2: the speaker 'An\\x0ana' holds a line break"));
  EXPECT_THAT(with("\"a\nb.wav\",joy,1,x"), HasSubstr("the path 'a\\x0ab.wav'"));
  EXPECT_THAT(with("a.wav,joy\x1b[1m,1,x"), HasSubstr("the label 'joy\\x1b[1m'"));
  EXPECT_EQ(with("a.wav,joy,1,\"two\nlines\""), "");
  EXPECT_EQ(with("a.wav,joy,1,\"two\nlines\"", "path,label,speaker,note"), "");
  EXPECT_THAT(with("a.wav,joy,1,x", "path,label,speaker,Corpus"), HasSubstr("'Corpus' is not written 'corpus'"));
  EXPECT_THAT(with("a.wav,joy,1,x", "path,label,speaker,\"start \""), HasSubstr("'start ' is not written 'start'"));
}

TEST_F(Names, ColumnsOfFoldsAreComparedToo) {
  Clips clips = read_clips(folder_.write("t.csv",
                                         "path,label,speaker,room,text\na.wav,joy,1,Hall,K\xc3\xb6nnte\n"
                                         "b.wav,joy,2,\"hall \",Ko\xcc\x88nnte\nc.wav,joy,3,yard,else\n"));
  EXPECT_THAT(error_of([&] { full_groups(clips, "room", "folds column:room"); }),
              AllOf(HasSubstr("'Hall' (a.wav)"), HasSubstr("'hall ' (b.wav)")));
  EXPECT_EQ(full_groups(clips, "text", "folds text").size(), 2);
}

TEST_F(Names, ReadersRefuseNamesOfFilesThatAreNotUtf8) {
  folder_.write("corpus/joy/a.wav", "");
  folder_.write("corpus/joy/T\xfcr.wav", "");
  EXPECT_THAT(error_of([&] { read_corpus("folders", folder_.path() / "corpus"); }),
              AllOf(HasSubstr("joy/T\\xfcr.wav"), HasSubstr("not UTF-8")));
  folder_.write("two/joy/a.wav", "");
  folder_.write("two/Joy/b.wav", "");
  EXPECT_THAT(error_of([&] { read_corpus("folders", folder_.path() / "two"); }), HasSubstr("'Joy'"));
}

TEST_F(Names, JsonLinesAreUtf8) {
  const auto error = [&](const std::string& line) {
    return error_of([&] {
      read_corpus("table", folder_.write("t.jsonl", "{\"path\":\"a.wav\",\"label\":\"joy\",\"speaker\":1}\n" + line));
    });
  };
  EXPECT_THAT(error("{\"path\":\"b.wav\",\"label\":\"T\xfcr\",\"speaker\":1}\n"),
              HasSubstr("line 2 is not valid UTF-8"));
  EXPECT_THAT(error("{\"path\":\"b.wav\",\"label\":\"\\ud800\",\"speaker\":1}\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("{\"path\":\"b.wav\",\"label\":\"a\\u0000\",\"speaker\":1}\n"), HasSubstr("a\\x00"));
  EXPECT_THAT(error("{\"path\":\"b.wav\",\"label\":\"Joy\",\"speaker\":1}\n"), HasSubstr("two spellings"));
  EXPECT_THAT(error("{\"path\"\n"), HasSubstr("line 2: no valid JSON"));
}

TEST_F(Names, ReadersOfPublicCorporaUnifySpellings) {
  Clips clips;
  for (const char* speaker : {"Nurse", "nurse", "All", "Nurse "}) clips.clips.emplace_back().speaker = speaker;
  EXPECT_EQ(unify_spellings(clips, &Clip::speaker), 2);
  EXPECT_THAT(column_values(clips, "speaker"), testing::ElementsAre("Nurse", "Nurse", "All", "Nurse"));
}

}  // namespace
}  // namespace loralens
