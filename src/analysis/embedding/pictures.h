// SPDX-License-Identifier: Apache-2.0
// Base of the two forms of the embedding analysis: holds one vector per clip and space, and draws them with t-SNE.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/embedding/words.h"

namespace loralens {

class ClipPictures : public Analysis {
 protected:
  using Space = EmbeddingSpace;

  explicit ClipPictures(const Setting& setting);

  // Holds vectors of these clips from now on, and no others.
  void begin(std::vector<int64_t> clips);
  // Stores a clip's vector (d) of this space, d being the same for all clips. Other clips than those of begin() are
  // skipped. Error for values that are not finite.
  void keep(const Space& space, int64_t clip, const at::Tensor& vector);
  // Memory of the vectors.
  double megabytes() const;
  // Draws the pictured layers of the adapted and the frozen model; a space without t-SNE gets a note.
  void draw(int64_t fold, double perplexity);
  // Source, caveat (without its end), rows and figures of the pictures. placed: see add_pictures().
  Findings findings_of_pictures(Module placed) const;

  // Adds the sentence to the notes once.
  void note(const std::string& sentence);
  // Adds a note if no clip was seen, or if layers lack A x. instead: what the report shows if no layer has A x.
  void note_what_is_missing(const std::string& instead);

  const Setting& setting_;
  Module module_;                // whose A x is measured; may be none
  std::set<int64_t> pictured_;   // layers
  std::vector<int64_t> clips_;   // of the current fold
  std::map<Space, at::Tensor> features_;  // of these clips, n×d, float32
  std::optional<EmbeddingPicture> picture_;
  std::vector<std::string> notes_;
  int64_t folds_ = 0;  // number of folds with clips
  bool adapter_seen_ = false;

 private:
  std::map<int64_t, int64_t> row_of_;  // row of each clip in features_
  std::vector<Row> divergences_;
};

// x: n×d. Each feature with mean 0 and standard deviation 1 (ddof 0); constant features are not scaled, as in
// scikit-learn's StandardScaler. float64.
at::Tensor standardised(const at::Tensor& x);

inline constexpr double published_perplexity = 30;  // of t-SNE

// As published: t-SNE of A x at all positions.
std::unique_ptr<Analysis> make_paper_embedding(const Setting& setting);

}  // namespace loralens
