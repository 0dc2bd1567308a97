// SPDX-License-Identifier: Apache-2.0
#include "corpus/cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "base/text.h"
#include "corpus/clips.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Cells, WordsForUnknownAreEmptyAndCounted) {
  Table table = parse_csv(
      "path,label,speaker,gender,text,corpus\na,unknown,nan,-,None,c\nb,other,Unknown,f,unknown,NULL\n"
      "c,x,?,N/A,-,c\nd,x,nan,<NA>,hi,c\ne,x,s1,m,hi,c\nf,x,NA,m,hi,c\n",
      "t");
  const auto notes = take_cells(table, false, "t");
  EXPECT_THAT(table.rows[0], ElementsAre("a", "unknown", "", "", "", "c"));
  EXPECT_THAT(table.rows[1], ElementsAre("b", "other", "", "f", "unknown", ""));
  EXPECT_THAT(table.rows[2], ElementsAre("c", "x", "", "", "-", "c"));
  EXPECT_THAT(table.rows[3], ElementsAre("d", "x", "", "", "hi", "c"));
  EXPECT_THAT(table.rows[4], ElementsAre("e", "x", "s1", "m", "hi", "c"));
  EXPECT_EQ(table.rows[5][2], "NA");
  EXPECT_EQ(notes.front(), "words for an unknown speaker are taken as empty cells: '?' 1, 'Unknown' 1, 'nan' 2");
  EXPECT_THAT(notes, testing::Contains(HasSubstr("the speaker 'NA' of 1 rows is taken for a name")));
}

TEST(Cells, ALabelThatStandsForAMissingValueIsAnErrorWithItsRows) {
  for (const char* word : {"nan", "NaN", "None", "NULL", "N/A", "<NA>"}) {
    Table table = parse_csv(fmt::format("path,label,speaker\na,x,s\nb,{0},s\nc,{0},s\n", word), "t");
    EXPECT_EQ(error_of([&] { take_cells(table, false, "t"); }),
              fmt::format("t: row 3 and 1 others: the label '{}' is a program's word for a missing value: fill the "
                          "label in, or leave the row out",
                          word));
  }
}

TEST(Cells, TimesInOtherFormsAreSeconds) {
  Table table =
      parse_csv("start,end\n\"0,25\",1:02:03.5\n0 days 00:00:01.250000,1 day 00:00:00\n1.5,2s\nnan,NaN\n", "t");
  Table commas = table;
  EXPECT_THAT(take_cells(table, true, "t"), testing::Contains("4 times in start and end are converted to seconds"));
  EXPECT_THAT(table.rows[0], ElementsAre("0.25", "3723.5"));
  EXPECT_THAT(table.rows[1], ElementsAre("1.25", "86400"));
  EXPECT_THAT(table.rows[2], ElementsAre("1.5", "2s"));
  EXPECT_THAT(table.rows[3], ElementsAre("", ""));
  take_cells(commas, false, "t");
  EXPECT_EQ(commas.rows[0][0], "0,25");  // a comma may also separate thousands in a table with commas
}

TEST(Cells, AddressesAndOtherUnicodeFormsFindTheirFiles) {
  const TestFolder folder;
  const std::string composed_name = "\xc3\xbc b.wav", decomposed_name = decomposed(composed_name);
  ASSERT_NE(composed_name, decomposed_name);
  EXPECT_EQ(composed(decomposed_name), composed_name);
  folder.write(decomposed_name, "");
  EXPECT_EQ(file_of_cell(folder.path(), composed_name), folder.path() / decomposed_name);
  EXPECT_EQ(file_of_cell(folder.path(), "\xc3\xbc.wav"), folder.path() / "\xc3\xbc.wav");
  Table table =
      parse_csv("path,label,speaker\nfile:///a%20b%c3%BC.wav,x,s\nfile://localhost/c%2,x,s\nfiles/a,x,s\n", "t");
  EXPECT_THAT(take_cells(table, false, "t"), ElementsAre("2 addresses file:// are taken as paths"));
  EXPECT_EQ(table.rows[0][0], "/a b\xc3\xbc.wav");
  EXPECT_EQ(table.rows[1][0], "/c%2");
  EXPECT_EQ(table.rows[2][0], "files/a");
}

TEST(Cells, MissingPathsWithBackslashesHaveAdvice) {
  EXPECT_THAT(advice_on_path("gone\\a.wav"), HasSubstr("write / instead"));
  EXPECT_EQ(advice_on_path("gone/a.wav"), "");
}

TEST(Cells, ReadersOfTablesTakeThem) {
  const TestFolder folder;
  const auto path = folder.write("t.csv", "path;label;speaker;start;end\na.wav;x;nan;0,5;1\nb.wav;y;s;;\n");
  testing::internal::CaptureStderr();
  const Clips clips = read_clips(path);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("unknown speaker are taken as empty cells: 'nan' 1"));
  EXPECT_EQ(clips.clips[0].speaker, "");
  EXPECT_EQ(clips.clips[0].id, "a.wav#0.5-1");
  EXPECT_THAT(read_corpus("table", path).summary, HasSubstr("unknown speaker are taken as empty cells: 'nan' 1"));
}

}  // namespace
}  // namespace loralens
