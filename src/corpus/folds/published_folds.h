// SPDX-License-Identifier: Apache-2.0
// Folds defined in publications, by name: for each fold, the values of a column (such as speaker) that form the test
// part.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "corpus/folds/folds.h"

namespace loralens {

struct PublishedFolds {
  std::string name;     // name of the scheme: "ravdess-6"
  std::string corpus;   // required value of the column corpus in every row of the table
  std::string column;  // a column of the table, or "file": a clip's file name without folder and extension
  std::vector<std::vector<std::string>> test;  // for each fold, the column's values in the test part
  std::vector<std::string> development;  // values in every fold's development part; empty: none is published
  std::vector<std::string> training;  // values in every fold's training part
  std::string source;  // the publication
};

// All published folds, sorted by name.
const std::vector<PublishedFolds>& published_folds();
// nullptr if there are no published folds of that name.
const PublishedFolds* published_folds_named(std::string_view name);

// For each of the five folds of EMO-DB, the file names of its test clips.
std::vector<std::vector<std::string>> emo_db_test_clips();

// The folds of this table. Error for a clip of another corpus, for a value that the definition does not have, and for a
// fold without test or training clips.
std::vector<Fold> folds_as_published(const PublishedFolds& published, const Clips& clips);

}  // namespace loralens
