// Folds that publications define, by name: which values of which column test in each fold.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "corpus/folds/folds.h"

namespace loralens {

struct PublishedFolds {
  std::string name;     // of the scheme: "ravdess-6"
  std::string corpus;   // what the table's column corpus must say of every clip
  std::string column;  // or "file": the name of a clip's file without folder and ending
  std::vector<std::vector<std::string>> test;  // values of the column, a list a fold
  std::vector<std::string> development;  // values that choose the epoch, in every fold; empty: none is published
  std::vector<std::string> training;  // values that are trained on in every fold
  std::string source;  // whose definition it is
};

// All that are known, in order of their names.
const std::vector<PublishedFolds>& published_folds();
// nullptr if there are none of that name.
const PublishedFolds* published_folds_named(std::string_view name);

// Names of files, a list a fold.
std::vector<std::vector<std::string>> emo_db_test_clips();

// Error for a clip of another corpus, a clip whose value the definition does not know, a fold without test clips.
std::vector<Fold> folds_as_published(const PublishedFolds& published, const Clips& clips);

}  // namespace loralens
