// SPDX-License-Identifier: Apache-2.0
// The two protocols of training and analysis: `strict` follows what a careful reviewer would ask for, `paper` repeats
// the method of the published code (arXiv 2509.08454), defects included. This file alone decides which differences
// a protocol has; each analysis has its published form in a file of its own (form.h, paper.cc).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// Frames of a clip whose values an analysis takes. What the head pools does not depend on it.
enum class Frames {
  speech,  // the clip's own frames, without tail and padding
  all,     // all positions of the pass: 1,500 of a padded clip
};

// Clips that an analysis may use besides the test clips (Part in analysis/analysis.h).
enum class TrainingClips {
  fit,  // training clips serve to fit and choose means, maps and heads; all results are measured on test clips
  sample,  // gradients, spectra, CKA and t-SNE are measured on some training clips per class, not on test clips
};

struct Protocol {
  std::string_view name;  // value of --protocol, and of column `protocol` in all tables

  // Training
  std::string_view preset;  // value of --preset, if none is given
  std::string_view selection;  // value of --select, if it is `auto`: the part whose scores choose the epoch
  std::string_view read_out;  // value of --read-out, if it is `auto`: how the head of an untrained encoder is fitted
  bool cut;  // a clip is cut after 30 s; false: a longer clip is read in windows of 30 s
  int ddof;  // of the standard deviation over folds
  bool same_start;  // all folds of a run start from the same initial values

  // Analyses
  bool one_fold;  // only the first fold of a single run is analysed
  TrainingClips training_clips;  // of the clips in a list, `fit` uses the test clips, `sample` all
  bool shuffled;  // clips pass in random order; false: in the order of the table or list
  Frames frames;
  bool intervals;  // means over clips and scores have confidence intervals (docs/validity.md)
  bool as_published;  // the analyses are those of the paper, made by its method; read by the factories and `analyze`
};

inline constexpr Protocol strict_protocol{.name = "strict",
                                          .preset = "small",
                                          .selection = "development",
                                          .read_out = "logistic",
                                          .cut = false,
                                          .ddof = 1,
                                          .same_start = false,
                                          .one_fold = false,
                                          .training_clips = TrainingClips::fit,
                                          .shuffled = true,
                                          .frames = Frames::speech,
                                          .intervals = true,
                                          .as_published = false};

inline constexpr Protocol paper_protocol{.name = "paper",
                                         .preset = "paper",
                                         .selection = "test",
                                         .read_out = "gradient",
                                         .cut = true,
                                         .ddof = 0,
                                         .same_start = true,
                                         .one_fold = true,
                                         .training_clips = TrainingClips::sample,
                                         .shuffled = false,
                                         .frames = Frames::all,
                                         .intervals = false,
                                         .as_published = true};

// Error for a name that no protocol has.
const Protocol& protocol_named(std::string_view name);

// "strict", "paper"
std::vector<std::string> protocol_names();

}  // namespace loralens
