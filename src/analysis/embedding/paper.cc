// SPDX-License-Identifier: Apache-2.0
// The embedding of arXiv 2509.08454 as its code computes it: t-SNE of a sample of training clips. A clip's vector is
// A x at all its positions, flattened; memory holds all clips of the sample.
#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include "analysis/embedding/pictures.h"

namespace loralens {
namespace {

class PaperEmbedding : public ClipPictures {
 public:
  explicit PaperEmbedding(const Setting& setting) : ClipPictures(setting) {}

  bool wants(Part part, Role role) const override {
    return part == Part::sample && role == Role::adapted && module_ != Module::none;
  }
  bool wants(Part part, Role role, const Site& site) const override {
    return wants(part, role) && site.kind == SiteKind::adapter_down && site.module == module_ &&
           pictured_.contains(site.layer);
  }

  void begin_fold(const FoldSubjects& fold) override { begin(fold.sample); }

  void see(const BatchView& view, const Site& site, const at::Tensor& value) override {
    adapter_seen_ = true;
    const auto clips = view.speech_of(value);
    for (size_t i = 0; i < clips.size(); ++i) {
      if (positions_ == 0) positions_ = clips[i].size(0);
      if (clips[i].size(0) == positions_)
        keep({view.subject.role, site.module, site.layer}, view.clips[i], clips[i].reshape({-1}));
      else
        uneven_ = true;
    }
  }

  void end_fold(const FoldSubjects& fold) override {
    if (!features_.empty() && !uneven_) {
      note(fmt::format("All {} clips are held at once, with A x of all their positions: {:.1f} MB.", clips_.size(),
                       megabytes()));
      draw(fold.fold, published_perplexity);
    }
    features_.clear();
  }

  Findings finish() override {
    Findings findings = findings_of_pictures(/*placed=*/module_);
    findings.measures = "t-SNE of clips by A x at all their positions.";
    findings.caveat += ".";
    note_what_is_missing("there is nothing to draw");
    if (uneven_)
      note("No t-SNE of A x: the clips differ in their number of positions, so their vectors differ in length.");
    findings.notes = notes_;
    return findings;
  }

 private:
  int64_t positions_ = 0;  // of the first clip
  bool uneven_ = false;  // whether another clip has another number of positions
};

}  // namespace

std::unique_ptr<Analysis> make_paper_embedding(const Setting& setting) {
  return std::make_unique<PaperEmbedding>(setting);
}

}  // namespace loralens
