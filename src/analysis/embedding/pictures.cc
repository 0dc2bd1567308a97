// SPDX-License-Identifier: Apache-2.0
#include "analysis/embedding/pictures.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "statistics/tsne/tsne.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t published_layers[] = {0, 7, 15, 23, 31}, published_depth = 32;

// The published layers at the same relative depth of a model with `layers` layers.
std::set<int64_t> pictured_layers(int64_t layers) {
  std::set<int64_t> scaled;
  for (const int64_t layer : published_layers)
    scaled.insert(std::llround(static_cast<double>(layer * (layers - 1)) / (published_depth - 1)));
  return scaled;
}

// v_proj if it has an adapter, else the first module that has one; Module::none without adapters.
Module pictured_module(const Setting& setting) {
  for (const Place& place : setting.adapted)
    if (place.module == Module::v_proj) return place.module;
  return setting.adapted.empty() ? Module::none : setting.adapted.front().module;
}

// "layers 3, 5"
std::string listed(const std::vector<int64_t>& layers) {
  std::string text = layers.size() > 1 ? "layers" : "layer";
  for (size_t i = 0; i < layers.size(); ++i) text += fmt::format("{} {}", i ? "," : "", layers[i]);
  return text;
}

}  // namespace

Tensor standardised(const Tensor& x) {
  const Tensor values = x.to(c10::ScalarType::Double);
  const Tensor mean = values.mean(0), variance = values.var(0, /*unbiased=*/false);
  const double rounding = static_cast<double>(x.size(0)) * std::numeric_limits<double>::epsilon();
  const Tensor constant = variance <= rounding * variance + (rounding * mean).square();
  return (values - mean) / at::where(constant, 1.0, variance.sqrt());
}

ClipPictures::ClipPictures(const Setting& setting)
    : setting_(setting), module_(pictured_module(setting)), pictured_(pictured_layers(setting.layers)) {}

void ClipPictures::begin(std::vector<int64_t> clips) {
  clips_ = std::move(clips);
  features_.clear();
  row_of_.clear();
  for (const int64_t clip : clips_) row_of_.emplace(clip, std::ssize(row_of_));
  folds_ += !clips_.empty();
}

void ClipPictures::keep(const Space& space, int64_t clip, const Tensor& vector) {
  const auto row = row_of_.find(clip);
  if (row == row_of_.end()) return;
  Tensor& all = features_[space];
  if (!all.defined()) all = at::empty({std::ssize(clips_), vector.size(0)}, c10::ScalarType::Float);
  if (!at::isfinite(vector).all().item<bool>())
    fail("{}: {} of layer {} is not finite: the model or the clip contains non-finite values",
         setting_.clips->clips[clip].id, space.text(), space.layer);
  all[row->second].copy_(vector);
}

double ClipPictures::megabytes() const {
  double bytes = 0;
  for (const auto& [space, features] : features_) bytes += static_cast<double>(features.nbytes());
  return bytes / 1e6;
}

void ClipPictures::draw(int64_t fold, double perplexity) {
  const TsneOptions options{.perplexity = perplexity, .threads = at::get_num_threads()};
  picture_ = EmbeddingPicture{fold, clips_, {}};
  for (const auto& [space, features] : features_) {
    if (space.role == Role::untrained || !pictured_.contains(space.layer)) continue;
    try {
      const Tsne plane = tsne(standardised(features), options);
      picture_->planes[space] = plane.points;
      divergences_.push_back(
          {.key = space.key("kl_divergence"), .fold = fold, .value = plane.divergence, .n = std::ssize(clips_)});
    } catch (const Error& error) {
      note(fmt::format("No t-SNE of {}: {}.", space.text(), error.what()));
    }
  }
}

Findings ClipPictures::findings_of_pictures(Module placed) const {
  Findings findings;
  findings.source = "t-SNE: van der Maaten and Hinton, 2008, and van der Maaten, 2014; silhouette: Rousseeuw, 1987";
  findings.caveat =
      "In a t-SNE plot, cluster sizes and distances between clusters have no meaning (Wattenberg, Viégas and "
      "Johnson, 2016). A x is defined only up to an invertible linear map, which changes distances between clips";
  findings.rows = divergences_;
  if (picture_) add_pictures(setting_, *picture_, placed, findings);
  return findings;
}

void ClipPictures::note(const std::string& sentence) {
  if (std::ranges::find(notes_, sentence) == notes_.end()) notes_.push_back(sentence);
}

void ClipPictures::note_what_is_missing(const std::string& instead) {
  if (folds_ == 0) return note("No clip was seen, so nothing could be measured.");
  std::vector<int64_t> without;
  for (const int64_t layer : pictured_)
    if (std::ranges::find(setting_.adapted, Place{layer, module_}) == setting_.adapted.end()) without.push_back(layer);
  if (const std::string sites = setting_.note_on_site_adapters(); !sites.empty()) note(sites);
  if (!adapter_seen_)
    note(fmt::format("The adapted model has no A x, so {}.", instead));
  else if (!without.empty())
    note(fmt::format("No picture of A x in {}: there is no adapter on {}.", listed(without), name_of(module_)));
}

}  // namespace loralens
