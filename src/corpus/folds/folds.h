// Folds of cross-validation: which clips train, choose the epoch, and test, with no speaker on two sides unless asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "corpus/clips.h"

namespace loralens {

struct FoldOptions {
  // speaker:K          K folds of whole speakers, balanced by class and size
  // speaker            leave one speaker out
  // session, corpus    leave one session or corpus out
  // text:K, text       K folds of whole sentences; leave one sentence out. Every speaker is on both sides
  // speaker-text:KxL   K parts of the speakers times L parts of the sentences: trains on other speakers and other
  //                    sentences than it tests on, and leaves out the clips that are neither
  // column:NAME        one fold for each value of a column
  // random:K           K folds of single clips, balanced by class
  // file:PATH          a table id,fold,part
  // a name             of published_folds()
  std::string scheme = "speaker:10";
  uint64_t seed = 42;        // decides between equally balanced folds, and which speakers are development
  bool allow_leaks = false;  // whether a speaker may be both in the test part and outside it, or be unknown
};

struct Fold {
  std::vector<int64_t> train, development, test;  // numbers of clips, each ascending; a clip may be in none
};

// Error, with the choices, for a scheme that is none of FoldOptions's.
void check_scheme(const std::string& scheme);
// "speaker:K, speaker, session, ...", for help texts.
std::string scheme_summary();

// Every fold's parts are disjoint, and hold all clips except in speaker-text:KxL and in a file that says so. The test
// parts are disjoint and hold all clips too, except in a file and in published folds that are a single partition. The
// same table, options and `development` give the same folds, and the test parts do not depend on `development`.
// development: hold 1/8 to 1/5 of the training speakers (at least one) out of each training part, with every class on
// both sides where possible; without it that part is empty. text: holds out sentences instead; speaker-text: a quarter
// of the speakers and a quarter of the sentences, and the development part is what is of both, so that it is related to
// the training part as the test part is. random:K, and tables without speakers, hold out clips. A file or published
// folds that have their own development part keep it whatever is asked.
// Error: a malformed scheme, more folds than speakers or clips, fewer than two groups, clips without the value that a
// scheme needs, no training speaker left beside development, a part without clips, a table that is not of the corpus
// that published folds are for, a speaker on two sides without allow_leaks.
std::vector<Fold> make_folds(const Clips& clips, const FoldOptions& options, bool development);

// "" if no speaker is both in the test part and outside it, in training and development; else one line that names the
// first such fold and speaker. Clips without a speaker count as a leak, as nothing is known of them. Speakers of
// different corpora are different people.
std::string speaker_leak(const Clips& clips, const std::vector<Fold>& folds);

// folds.csv: id,fold,part with part = train, development, test or unused (in none); a row for each clip of each fold.
void write_folds(const Path& csv, const Clips& clips, const std::vector<Fold>& folds);
// Error, with the row: an unknown id, fold or part, a clip twice in a fold; a clip missing from a fold, a fold without
// a training or test part.
std::vector<Fold> read_folds(const Path& csv, const Clips& clips);

}  // namespace loralens
