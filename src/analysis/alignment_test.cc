#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>

#include "adapter/lora.h"
#include "analysis/clip_file.h"
#include "analysis/minibatches.h"
#include "analysis/test_fold.h"
#include "base/error.h"
#include "statistics/jackknife.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t out = 7, rank = 3, in = 5, width = 6, layers = 2;
constexpr Module module = Module::v_proj;

// Two layers with LoRA on v_proj and clips of four speakers; what passes is made by hand.
struct HandMade {
  Clips clips;
  Setting setting;
  FoldSubjects fold;
  std::vector<int64_t> rows, speech;  // of each clip

  explicit HandMade(int64_t count, bool paper = false) {
    for (int64_t i = 0; i < count; ++i) {
      Clip clip;
      clip.id = fmt::format("{}.wav", i);
      clip.speaker = fmt::format("s{}", i % 4);
      clips.clips.push_back(clip);
      rows.push_back(paper ? 4 : 4 + i % 5);
      speech.push_back(paper ? 4 : 2 + i % 3);
    }
    setting.clips = &clips;
    setting.paper = paper;
    setting.layers = layers;
    setting.width = width;
    fold.adapted.role = Role::adapted;
    fold.frozen.role = Role::frozen;
    fold.untrained.role = Role::untrained;
    for (int64_t l = 0; l < layers; ++l) {
      setting.adapted.emplace_back(l, module);
      set_lora(Role::adapted, l, random_tensor({rank, in}, 10 + static_cast<uint64_t>(l)),
               random_tensor({out, rank}, 20 + static_cast<uint64_t>(l)));
      set_lora(Role::untrained, l, random_tensor({rank, in}, 30 + static_cast<uint64_t>(l)),
               random_tensor({out, rank}, 40 + static_cast<uint64_t>(l)));
    }
  }
  HandMade(const HandMade&) = delete;

  Subject& subject(Role role) {
    return role == Role::adapted ? fold.adapted : role == Role::frozen ? fold.frozen : fold.untrained;
  }
  void set_lora(Role role, int64_t layer, const Tensor& a, const Tensor& b) {
    auto lora = std::make_shared<Lora>();
    lora->a = a;
    lora->b = b;
    subject(role).model.adapted.adapters[{layer, module}] = std::move(lora);
  }
  const Lora& lora(Role role, int64_t layer) {
    return dynamic_cast<const Lora&>(*subject(role).model.adapted.adapters.at({layer, module}));
  }

  // What one clip shows at a site; the streams of both models share a part.
  Tensor seen(Role role, const Site& site, int64_t clip) {
    const int64_t t = rows[static_cast<size_t>(clip)];
    const auto number = static_cast<uint64_t>(clip);
    const auto key = [&](uint64_t what) { return hash_of(what, number, static_cast<uint64_t>(site.layer)); };
    if (site.kind == SiteKind::adapter_down)
      return at::matmul(random_tensor({t, in}, key(1)), lora(role, site.layer).a.t());
    if (site.kind == SiteKind::residual_in) return random_tensor({t, width}, key(2));
    return random_tensor({t, width}, key(2)) +
           (role == Role::adapted ? 0.5 * static_cast<double>(1 + site.layer) : 0) * random_tensor({t, width}, key(3));
  }
  double gradient_scale = 1;
  Tensor gradient(Role role, int64_t layer, int64_t clip) {
    return gradient_scale * random_tensor({rows[static_cast<size_t>(clip)], out},
                                          hash_of(4, static_cast<uint64_t>(clip), layer, static_cast<uint64_t>(role)));
  }

  // As the runner does, in batches of up to `batch` clips.
  Findings pass(int64_t batch) {
    const auto analysis = make_alignment(setting);
    const Part part = setting.paper ? Part::sample : Part::test;
    analysis->begin_fold(fold);
    for (int64_t first = 0; first < std::ssize(rows); first += batch) {
      std::vector<int64_t> numbers;
      for (int64_t i = first; i < std::min<int64_t>(first + batch, std::ssize(rows)); ++i) numbers.push_back(i);
      for (const Role role : {Role::adapted, Role::frozen, Role::untrained})
        if (analysis->wants(part, role)) pass(*analysis, part, role, numbers);
    }
    analysis->end_part(fold, part);
    analysis->end_fold(fold);
    return analysis->finish();
  }

 private:
  void pass(Analysis& analysis, Part part, Role role, const std::vector<int64_t>& numbers) {
    const Pass passing;
    BatchView view{setting, fold, subject(role), part, numbers, passing, {}, {}, {}, {}};
    for (const int64_t clip : numbers) {
      view.clip_rows.push_back(rows[static_cast<size_t>(clip)]);
      view.speech_rows.push_back(speech[static_cast<size_t>(clip)]);
    }
    const auto packed = [&](const auto& value_of_clip) {
      std::vector<Tensor> parts;
      for (const int64_t clip : numbers) parts.push_back(value_of_clip(clip));
      return at::cat(parts);
    };
    std::vector<Site> sites = {{SiteKind::residual_in, 0}};
    for (int64_t l = 0; l < layers; ++l) {
      if (!setting.adapted.empty()) sites.push_back({SiteKind::adapter_down, l, module});
      sites.push_back({SiteKind::residual_out, l});
    }
    for (const Site& site : sites)
      if (analysis.wants(part, role, site))
        analysis.see(view, site, packed([&](int64_t clip) { return seen(role, site, clip); }));
    analysis.end_batch(view);
    for (int64_t l = layers - 1; l >= 0 && !setting.adapted.empty(); --l)
      if (const Site site{SiteKind::adapter_up, l, module}; analysis.wants_gradient(part, role, site))
        analysis.see_gradient(view, site, packed([&](int64_t clip) { return gradient(role, l, clip); }));
    analysis.end_gradients(view);
  }
};

// A clip's row in each sample set: set 0 holds means over the speech frames, set 1 + f the f-th sampled frames.
Tensor sample(const HandMade& made, int64_t clip, int64_t set, const Tensor& value) {
  const int64_t speech = made.speech[static_cast<size_t>(clip)];
  if (set == 0) return value.narrow(0, 0, speech).mean(0);
  const auto frames = sampled_frames(made.setting.seed, made.clips.clips[static_cast<size_t>(clip)].id, speech);
  return value[frames[static_cast<size_t>(set - 1)]];
}

// Equation 4 of Song et al., 2012, from features: n×p and n×q.
double song(const Tensor& x, const Tensor& y) {
  Tensor k = at::matmul(x, x.t()), l = at::matmul(y, y.t());
  k.fill_diagonal_(0);
  l.fill_diagonal_(0);
  const auto n = static_cast<double>(x.size(0));
  const double both = at::matmul(k, l).trace().item<double>(), crossed = at::matmul(k, l).sum().item<double>();
  const double sums = k.sum().item<double>() * l.sum().item<double>();
  return (both + sums / ((n - 1) * (n - 2)) - 2 * crossed / (n - 2)) / (n * (n - 3));
}

using Feature = std::function<Tensor(int64_t clip)>;  // T×any

// Debiased CKA over minibatches (lists of clips), weighted by clips, without the clips of one speaker.
double naive_cka(const HandMade& made, const std::vector<std::vector<int64_t>>& minibatches, bool frames,
                 const Feature& first, const Feature& second, const std::string& without = "nobody") {
  double xy = 0, xx = 0, yy = 0;
  for (const auto& minibatch : minibatches)
    for (int64_t set = frames ? 1 : 0; set < (frames ? 1 + frames_of_clip : 1); ++set) {
      std::vector<Tensor> x, y;
      for (const int64_t clip : minibatch)
        if (made.clips.clips[static_cast<size_t>(clip)].speaker != without) {
          x.push_back(sample(made, clip, set, first(clip)));
          y.push_back(sample(made, clip, set, second(clip)));
        }
      if (x.size() < 4) continue;
      const Tensor xs = at::stack(x), ys = at::stack(y);
      const auto n = static_cast<double>(x.size());
      xy += n * song(xs, ys);
      xx += n * song(xs, xs);
      yy += n * song(ys, ys);
    }
  return xy / std::sqrt(xx * yy);
}

void expect_row(const Findings& findings, const HandMade& made, const std::vector<std::vector<int64_t>>& minibatches,
                RowKey key, const Feature& first, const Feature& second) {
  key.metric = "cka";
  for (const bool frames : {false, true}) {
    key.variant = frames ? "frames" : "";
    const Row* row = find_row(findings.rows, key);
    ASSERT_NE(row, nullptr) << key.model << " " << key.component;
    EXPECT_NEAR(row->value, naive_cka(made, minibatches, frames, first, second), 1e-10) << key.component;
    std::vector<double> without;
    for (const char* speaker : {"s0", "s1", "s2", "s3"})
      without.push_back(naive_cka(made, minibatches, frames, first, second, speaker));
    const Interval interval = jackknife_interval(row->value, without);
    EXPECT_NEAR(row->low, interval.low, 1e-8);
    EXPECT_NEAR(row->high, interval.high, 1e-8);
    EXPECT_EQ(row->fold, 0);
  }
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> numbers;
  for (int64_t i = begin; i < end; ++i) numbers.push_back(i);
  return numbers;
}

TEST(Alignment, EqualsANaiveComputation) {
  HandMade made(70);
  const Findings findings = made.pass(20);  // three batches fit into the first minibatch
  const std::vector<std::vector<int64_t>> minibatches = {range(0, 60), range(60, 70)};
  for (const Role role : {Role::adapted, Role::untrained})
    for (int64_t l = 0; l < layers; ++l) {
      RowKey key{.model = std::string(name_of(role)), .layer = l, .module = "v_proj", .component = "forward"};
      const auto down = [&](int64_t clip) { return made.seen(role, {SiteKind::adapter_down, l, module}, clip); };
      const auto up = [&](int64_t clip) { return at::matmul(down(clip), made.lora(role, l).b.t()); };
      expect_row(findings, made, minibatches, key, down, up);
      key.component = "gradient";
      const auto at_up = [&](int64_t clip) { return made.gradient(role, l, clip); };
      const auto at_down = [&](int64_t clip) { return at::matmul(at_up(clip), made.lora(role, l).b); };
      expect_row(findings, made, minibatches, key, at_down, at_up);
    }
  for (int64_t l = -1; l < layers; ++l) {
    const Site site = l < 0 ? Site{SiteKind::residual_in, 0} : Site{SiteKind::residual_out, l};
    expect_row(findings, made, minibatches, {.model = "adapted-frozen", .layer = l, .component = "residual"},
               [&](int64_t clip) { return made.seen(Role::adapted, site, clip); },
               [&](int64_t clip) { return made.seen(Role::frozen, site, clip); });
  }
  EXPECT_TRUE(std::ranges::all_of(findings.rows, [](const Row& row) { return row.n == 70; }));
}

TEST(Alignment, MapsLayersOfOneModelAgainstThoseOfTheOther) {
  HandMade made(12);
  const Findings findings = made.pass(12);
  const auto at_layer = [&](Role role, int64_t l) {
    return [&made, role, l](int64_t clip) { return made.seen(role, {SiteKind::residual_out, l}, clip); };
  };
  const auto value = [&](const char* model, int64_t layer, int64_t other) {
    return value_of(findings, {.model = model, .variant = "frames", .layer = layer,
                               .component = fmt::format("layer {}", other), .metric = "cka"});
  };
  EXPECT_NEAR(value("adapted-frozen", 0, 1),
              naive_cka(made, {range(0, 12)}, true, at_layer(Role::adapted, 0), at_layer(Role::frozen, 1)), 1e-10);
  EXPECT_NEAR(value("adapted", 0, 1),
              naive_cka(made, {range(0, 12)}, true, at_layer(Role::adapted, 0), at_layer(Role::adapted, 1)), 1e-10);
  EXPECT_NEAR(value("adapted", 1, 1), 1, 1e-12);
  EXPECT_NEAR(value("adapted-frozen", -1, -1), 1, 1e-12);  // nothing below the first layer differs
}

TEST(Alignment, InTheBalancedGaugeDoesNotDependOnHowBAIsFactored) {
  HandMade made(16);
  const Findings before = made.pass(8);
  const Tensor change = random_tensor({rank, rank}, 77);
  const Lora& lora = made.lora(Role::adapted, 1);
  made.set_lora(Role::adapted, 1, at::matmul(change, lora.a), at::matmul(lora.b, at::linalg_inv(change)));
  const Findings after = made.pass(8);
  for (const char* component : {"forward", "gradient"}) {
    RowKey key{.model = "adapted", .layer = 1, .module = "v_proj", .component = component, .metric = "cka"};
    EXPECT_GT(std::abs(value_of(after, key) - value_of(before, key)), 1e-3);
    for (const char* variant : {"balanced", "frames-balanced"}) {
      key.variant = variant;
      EXPECT_NEAR(value_of(after, key), value_of(before, key), 1e-9) << component << " " << variant;
    }
  }
}

TEST(Alignment, OfARotationIsOneAndSoAreRandomRotations) {
  HandMade made(12);
  const Tensor rotation = std::get<0>(at::linalg_qr(random_tensor({out, rank}, 5)));
  made.set_lora(Role::adapted, 0, made.lora(Role::adapted, 0).a, 3 * rotation);
  const Findings findings = made.pass(12);
  for (const char* variant : {"", "random-B", "frames-random-B"}) {
    const Row* row = find_row(findings.rows, {.model = "adapted", .variant = variant, .layer = 0, .module = "v_proj",
                                              .component = "forward", .metric = "cka"});
    ASSERT_NE(row, nullptr);
    EXPECT_NEAR(row->value, 1, 1e-12);
  }
  // The gradient at A x is what B reads of the one at B A x, so that another B makes another value.
  const Row* null = find_row(findings.rows, {.model = "adapted", .variant = "random-B", .layer = 0, .module = "v_proj",
                                             .component = "gradient", .metric = "cka"});
  ASSERT_NE(null, nullptr);
  EXPECT_LT(null->low, null->value);
  EXPECT_GT(null->high, null->value);
}

TEST(Alignment, SaysWhatItCannotDo) {
  HandMade few(3);
  const Findings none = few.pass(3);
  EXPECT_TRUE(none.rows.empty());
  ASSERT_EQ(none.notes.size(), 1u);
  EXPECT_EQ(none.notes[0], "CKA needs at least 4 clips; 3 were seen.");

  HandMade zero(8);
  zero.set_lora(Role::adapted, 0, zero.lora(Role::adapted, 0).a, random_tensor({out, rank}, 1, 0));
  const Findings findings = zero.pass(8);
  RowKey key{.model = "adapted", .layer = 0, .module = "v_proj", .component = "forward", .metric = "cka"};
  EXPECT_EQ(find_row(findings.rows, key), nullptr);
  key.layer = 1;
  EXPECT_NE(find_row(findings.rows, key), nullptr);
  EXPECT_TRUE(std::ranges::any_of(findings.notes, [](const std::string& note) { return note.ends_with("(B is 0)."); }));

  HandMade bare(8);
  bare.setting.adapted.clear();
  bare.fold.adapted.model.adapted.adapters.clear();
  bare.fold.untrained.model.adapted.adapters.clear();
  const Findings residuals = bare.pass(8);
  EXPECT_FALSE(residuals.rows.empty());
  EXPECT_TRUE(std::ranges::all_of(residuals.rows, [](const Row& row) { return row.key.module.empty(); }));
}

TEST(Alignment, OfALargeBatchIsCutAndAFewClipsLeftOverAreDropped) {
  HandMade large(70);
  const Findings findings = large.pass(70);
  const auto down = [&](int64_t clip) { return large.seen(Role::adapted, {SiteKind::adapter_down, 0, module}, clip); };
  const auto up = [&](int64_t clip) { return at::matmul(down(clip), large.lora(Role::adapted, 0).b.t()); };
  const RowKey key{.model = "adapted", .layer = 0, .module = "v_proj", .component = "forward", .metric = "cka"};
  EXPECT_NEAR(value_of(findings, key), naive_cka(large, {range(0, 35), range(35, 70)}, false, down, up), 1e-10);

  HandMade rest(66);
  const Findings dropped = rest.pass(32);
  EXPECT_TRUE(std::ranges::all_of(dropped.rows, [](const Row& row) { return row.n == 64; }));
  EXPECT_TRUE(std::ranges::any_of(dropped.notes, [](const auto& note) { return note.starts_with("2 clips were"); }));
}

TEST(Alignment, PassesThroughTheRunner) {
  const TestFolder folder;
  const TestFold fold(folder);
  const Findings findings = fold.find(make_alignment(fold.setting));
  std::vector<Tensor> down, up;
  for (const int64_t clip : fold.subjects.test) {
    const auto seen = fold.see(fold.subjects.adapted, clip);
    down.push_back(seen.sites.at({SiteKind::adapter_down, 2, Module::fc1}).narrow(0, 0, seen.speech).mean(0));
    up.push_back(seen.sites.at({SiteKind::adapter_up, 2, Module::fc1}).narrow(0, 0, seen.speech).mean(0));
  }
  const Tensor x = at::stack(down), y = at::stack(up);
  RowKey key{.model = "adapted", .layer = 2, .module = "fc1", .component = "forward", .metric = "cka"};
  EXPECT_NEAR(value_of(findings, key), song(x, y) / std::sqrt(song(x, x) * song(y, y)), 1e-9);
  for (const char* module : {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}) {
    key.component = "gradient";
    key.module = module;
    EXPECT_LE(std::abs(value_of(findings, key)), 1 + 1e-9);
  }
  EXPECT_FALSE(findings.reading.empty());
}

// Biased, from centred features (Kornblith et al., 2019, equation 3). x: n×p, y: n×q.
double linear_cka(const Tensor& x, const Tensor& y) {
  const Tensor xc = x - x.mean(0, true), yc = y - y.mean(0, true);
  const auto norm = [](const Tensor& m) { return std::sqrt((m * m).sum().item<double>()); };
  return std::pow(norm(at::matmul(xc.t(), yc)), 2) / norm(at::matmul(xc.t(), xc)) / norm(at::matmul(yc.t(), yc));
}

double rbf_cka(const Tensor& x, const Tensor& y) {
  const auto centred = [](const Tensor& z) {
    const Tensor distances = (z.unsqueeze(0) - z.unsqueeze(1)).square().sum(2);
    const Tensor k = (distances * (-1 / static_cast<double>(z.size(1)))).expm1();
    return k - k.mean(0, true) - k.mean(1, true) + k.mean();
  };
  const Tensor k = centred(x), l = centred(y);
  return ((k * l).sum() / ((k * k).sum() * (l * l).sum()).sqrt()).item<double>();
}

TEST(PaperAlignment, EqualsANaiveComputation) {
  for (const double scale : {1.0, 1e-6}) {
    HandMade made(9, true);
    made.gradient_scale = scale;
    const Findings findings = made.pass(2);
    const auto flat = [&](const Feature& feature) {
      std::vector<Tensor> clips;
      for (int64_t i = 0; i < 9; ++i) clips.push_back(feature(i).flatten());
      return at::stack(clips);
    };
    const auto value = [&](int64_t layer, const char* component, const char* variant = "") {
      for (const Row& row : findings.rows)
        if (row.key.layer == layer && row.key.component == component && row.key.variant == variant) return row.value;
      ADD_FAILURE() << component << " is missing";
      return 0.0;
    };
    for (int64_t l = 0; l < layers; ++l) {
      const auto down = [&](Role role) {
        return flat([&](int64_t clip) { return made.seen(role, {SiteKind::adapter_down, l, module}, clip); });
      };
      const auto up = [&](Role role) {
        return flat([&](int64_t clip) {
          return at::matmul(made.seen(role, {SiteKind::adapter_down, l, module}, clip), made.lora(role, l).b.t());
        });
      };
      EXPECT_NEAR(value(l, "forward-trained"), linear_cka(down(Role::adapted), down(Role::untrained)), 1e-12);
      EXPECT_NEAR(value(l, "forward-untrained"), rbf_cka(up(Role::adapted), up(Role::untrained)), 1e-12);
      for (const auto& [role, component] : {std::pair{Role::adapted, "gradient-trained"},
                                            std::pair{Role::untrained, "gradient-untrained"}}) {
        const Tensor at_up = flat([&](int64_t clip) { return made.gradient(role, l, clip); });
        const Tensor at_down =
            flat([&](int64_t clip) { return at::matmul(made.gradient(role, l, clip), made.lora(role, l).b); });
        const double expected = rbf_cka(at_up, at_down);
        EXPECT_NEAR(value(l, component), expected, 1e-11);
        if (scale == 1)
          EXPECT_NEAR(value(l, component, "float32"), expected, 1e-4);
        else
          EXPECT_EQ(value(l, component, "float32"), 0);  // both kernels are all ones there
      }
    }
    for (const Row& row : findings.rows) {
      EXPECT_EQ(row.fold, 0);
      EXPECT_EQ(row.n, 9);
      EXPECT_TRUE(std::isnan(row.low));
    }
    EXPECT_EQ(findings.rows.size(), 12u);
  }
}

TEST(ClipFile, KeepsMatricesOfAnyType) {
  ClipFile file;
  const Tensor first = random_tensor({6, 3}, 1), second = random_tensor({5, 4}, 2).to(c10::ScalarType::BFloat16);
  const auto one = file.append(first), two = file.append(second.t());
  EXPECT_TRUE(same_bits(file.rows(one, 2, 3), first.narrow(0, 2, 3)));
  EXPECT_TRUE(same_bits(file.rows(two, 0, 4), second.t()));
  EXPECT_EQ(file.bytes(), 6 * 3 * 8 + 5 * 4 * 2);
  EXPECT_THROW(file.rows(two, 1, 9), Error);
}

TEST(PaperAlignment, NeedsClipsOfEqualLengthAndFourOfThem) {
  HandMade made(9, true);
  made.rows[5] = 6;
  made.speech[5] = 6;
  const Findings unequal = made.pass(2);
  EXPECT_TRUE(unequal.rows.empty());
  ASSERT_EQ(unequal.notes.size(), 1u);
  EXPECT_NE(unequal.notes[0].find("equal length"), std::string::npos);
  HandMade few(3, true);
  const Findings none = few.pass(2);
  EXPECT_TRUE(none.rows.empty());
  ASSERT_EQ(none.notes.size(), 1u);
  EXPECT_NE(none.notes[0].find("3 were seen"), std::string::npos);
}

}  // namespace
}  // namespace loralens
