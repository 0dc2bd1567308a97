// SPDX-License-Identifier: Apache-2.0
// The contribution of arXiv 2509.08454 as its code computes it: positions of all clips have equal weight.
#include <map>

#include "analysis/contribution/contribution.h"

namespace loralens {
namespace {

class PaperContribution : public Contribution {
 public:
  using Contribution::Contribution;

 protected:
  void add(int64_t, int64_t, const RowKey& key, double sum, int64_t positions) override {
    Sum& total = sums_[key];
    total.sum += sum;
    total.positions += positions;
    ++total.clips;
  }

  std::vector<Row> rows() const override {
    std::vector<Row> rows;
    for (const auto& [key, sum] : sums_) {
      Row row{.key = key, .fold = 0, .value = sum.mean(), .n = sum.clips};
      rows.push_back(row);
      RowKey other = key;
      other.model = "frozen";
      if (key.model != "adapted" || !sums_.contains(other)) continue;
      row.value -= sums_.at(other).mean();
      row.key.model = "adapted-frozen";
      rows.push_back(row);
    }
    return rows;
  }

  std::string averaging() const override { return "Means over all positions of all clips, padding included."; }

 private:
  struct Sum {
    double sum = 0;
    int64_t positions = 0, clips = 0;
    double mean() const { return sum / static_cast<double>(positions); }
  };

  std::map<RowKey, Sum> sums_;
};

}  // namespace

std::unique_ptr<Analysis> make_paper_contribution(const Setting& setting) {
  return std::make_unique<PaperContribution>(setting);
}

}  // namespace loralens
