// SPDX-License-Identifier: Apache-2.0
// Folds of cross-validation: training, development and test parts, by default speaker-independent (no speaker is in two
// parts).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "corpus/clips.h"

namespace loralens {

struct FoldOptions {
  // speaker:K          K folds of whole speakers, balanced by class and size
  // speaker            leave one speaker out
  // session, corpus    leave one session or corpus out
  // text:K, text       K folds of whole sentences; leave one sentence out. Speakers are in training and test
  // speaker-text:KxL   K parts of the speakers times L parts of the sentences: test speakers and test sentences are
  //                    both unseen in training; clips that share only one of them with the test part are unused
  // column:NAME        one fold for each value of a column
  // random:K           K folds of single clips, balanced by class
  // file:PATH          a table id,fold,part
  // NAME               folds of a publication: a name in published_folds()
  std::string scheme = "speaker:10";
  uint64_t seed = 42;  // random seed: breaks ties between balanced folds, and chooses development speakers
  std::set<std::string> left_out = {};  // ids that a file may list although the table has no such clip
  bool allow_leaks = false;  // whether a speaker may be in two parts of a fold, or be unknown
};

struct Fold {
  std::vector<int64_t> train, development, test;  // numbers of clips, ascending; a clip may be in no part (unused)
};

// Error, with the choices, for a scheme that is not one of those of FoldOptions.
void check_scheme(const std::string& scheme);
// "speaker:K, speaker, session, ...", for help texts.
std::string scheme_summary();

// Makes the folds of a scheme. The parts of a fold are disjoint; together they hold all clips, except with
// speaker-text:KxL and with a file that marks clips unused. The test parts of all folds are disjoint and together hold
// all clips, except with a file and with published folds of a single partition. The result is deterministic, and the
// test parts do not depend on `development`.
// development: whether to take a development part out of each training part, with every class in both if possible;
// false: it is empty. It holds 1/8 to 1/5 of the training speakers (at least one); with text, of the sentences; with
// random:K and in tables without speakers, of the clips. With speaker-text it holds the clips of a quarter of the
// speakers that say a quarter of the sentences, and training loses these speakers and sentences, so that both are
// unseen as in the test part. The development part of a file or of published folds is kept in any case.
// Error: a malformed scheme; more folds than speakers or clips; fewer than two groups; clips without the value that the
// scheme needs; no training speaker left beside the development part; a part without clips; published folds for another
// corpus than the table's; a speaker in two parts without allow_leaks.
std::vector<Fold> make_folds(const Clips& clips, const FoldOptions& options, bool development);

// "" if no speaker is in two parts (training, development, test) of a fold; else one line that names the first such
// fold and speaker. A clip without a speaker counts as a leak, because its speaker may be in any part. Speakers of
// different corpora are different people.
std::string speaker_leak(const Clips& clips, const std::vector<Fold>& folds);

// Writes folds.csv: columns id,fold,part with part = train, development, test or unused; a row for each clip and fold.
void write_folds(const Path& csv, const Clips& clips, const std::vector<Fold>& folds);
// Reads folds.csv. Error, with the row: an unknown id, fold or part, a clip twice in a fold. Error for a clip missing
// from a fold, and for a fold without a training or test part. left_out: unknown ids that are no error.
std::vector<Fold> read_folds(const Path& csv, const Clips& clips, const std::set<std::string>& left_out = {});

}  // namespace loralens
