// SPDX-License-Identifier: Apache-2.0
// The code of arXiv 2509.08454 has no norms of gradients: this form of the analysis measures nothing and says so.
#include "analysis/gradients/words.h"

namespace loralens {
namespace {

class PaperGradients : public Analysis {
 public:
  explicit PaperGradients(const Setting& setting) : setting_(setting) {}

  bool wants(Part, Role) const override { return false; }

  Findings finish() override {
    Findings findings;
    describe_gradients(setting_, findings);
    findings.notes.push_back("The published code has no norms of gradients; they are in the strict protocol.");
    return findings;
  }

 private:
  const Setting& setting_;
};

}  // namespace

std::unique_ptr<Analysis> make_paper_gradients(const Setting& setting) {
  return std::make_unique<PaperGradients>(setting);
}

}  // namespace loralens
