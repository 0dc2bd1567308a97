// SPDX-License-Identifier: Apache-2.0
// Properties of clips that a hidden state may show: emotion, speaker, gender and text. Analyses read them with probes,
// or erase them, and compare with labels that are permuted.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "base/random.h"

namespace loralens {

inline constexpr int64_t most_texts = 32;  // a table with more texts than this has no concept "text"

struct Concept {
  enum class Kind { emotion, speaker, gender, text };
  Kind kind = Kind::emotion;
  std::string name;                  // "emotion", "speaker", "gender", "text"
  std::vector<std::string> classes;  // its values
  std::vector<int64_t> labels;       // class number of each clip of the table; -1: unknown, the clip is left out

  // The clips among these whose value is known, in the same order.
  std::vector<int64_t> known(const std::vector<int64_t>& clips) const;
  std::vector<int64_t> labels_of(const std::vector<int64_t>& clips) const;
};

// The concepts that the table of the setting has: emotion, and those of speaker, gender and text with at least two
// values. A text counts if at least two speakers say it. notes: receives a line for each concept that is missing.
std::vector<Concept> concepts_of(const Setting& setting, std::vector<std::string>& notes);

// The setting with the concept's classes and labels in place of the emotions, for curves of predicted classes. Labels
// of clips whose value is unknown are -1.
Setting setting_for(const Setting& setting, const Concept& wanted);

// How permuted_labels() permutes: "within speakers", ...
std::string permutation_of(Concept::Kind kind);

// Labels of these clips for a null distribution or a control, in which the states tell nothing more about the concept:
// emotions and texts are permuted among the clips of each speaker, speakers among the clips of each text, genders among
// the speakers. Clips of unknown speakers count as one speaker's, for genders each as a speaker's own.
std::vector<int64_t> permuted_labels(const Setting& setting, const Concept& wanted, const std::vector<int64_t>& clips,
                                     Random& random);

// Means of x (ΣT×D) over each clip's positions (BatchView::speech_of): B×D, float64, CPU.
at::Tensor clip_means(const BatchView& view, const at::Tensor& x);

}  // namespace loralens
