// SPDX-License-Identifier: Apache-2.0
#include "training/card/model_card.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "corpus/groups.h"
#include "results/run_folder.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

enum class Library : uint8_t { peft, transformers, none };

// The library that loads a model of these options in Python.
Library library_of(const RunOptions& options) {
  const Method& method = method_named(options.adapter.method);
  if (options.head.weighted_layer_sum) return Library::none;  // PEFT has no place for the layer weights
  if (method.peft_config(options.adapter)) return Library::peft;
  return method.encoder_training(options.adapter) == EncoderTraining::whole ? Library::transformers : Library::none;
}

// A name of the Hugging Face hub, such as "openai/whisper-base", and not the path of a folder.
bool is_hub_name(const std::string& name) {
  return std::ranges::count(name, '/') == 1 && name.front() != '/' && name.front() != '.' && !fs::exists(name);
}

// Lines of Python that print the probabilities of a clip; docs/python.md has them for PEFT.
std::string python_lines(Library library, const std::string& base) {
  const bool peft = library == Library::peft;
  std::string text =
      fmt::format("import json\n\nimport numpy, {}soundfile, torch, transformers\n\n", peft ? "peft, " : "");
  text += "folder = \".\"  # of this file\n";
  if (peft)
    text += fmt::format("base = {}  # or its folder, which `loralens fetch` prints\n",
                        json(is_hub_name(base) ? base : "BASE").dump());
  text += R"(clip = "clip.wav"

settings = json.load(open(f"{folder}/config.json"))["loralens"]
)";
  text += peft ? R"(config = transformers.WhisperConfig.from_pretrained(folder)
model = transformers.WhisperForAudioClassification.from_pretrained(base, config=config)
model = peft.PeftModel.from_pretrained(model, folder).eval()
)"
               : R"(model = transformers.WhisperForAudioClassification.from_pretrained(folder).eval()
)";
  text += R"(extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
samples, rate = soundfile.read(clip, dtype="float32")
if settings["input"] == "speech":  # the clip, its tail of silence, and zeros up to a whole position of 20 ms
    samples = numpy.pad(samples, (0, round(settings["tail_seconds"] * rate)))
    samples = numpy.pad(samples, (0, -len(samples) % 320))
    options = {"padding": False, "truncation": False}
else:
    options = {}
mel = torch.from_numpy(numpy.stack(extractor(samples, sampling_rate=rate, **options).input_features))
)";
  text += fmt::format("encoder = {}  # it accepts 30 s alone, unless its number of positions is changed\n",
                      peft ? "model.get_base_model().encoder" : "model.encoder");
  text += R"(encoder.config.max_source_positions = encoder.embed_positions.num_embeddings = mel.shape[-1] // 2
with torch.no_grad():
    probabilities = model(input_features=mel).logits.softmax(-1)[0]
print({model.config.id2label[i]: float(p) for i, p in enumerate(probabilities)})
)";
  return text;
}

// "339 clips of 10 speakers"; clips without a speaker are not counted as speakers.
std::string counted(const Clips& clips, const std::vector<int64_t>& numbers) {
  std::set<std::string> speakers;
  for (const int64_t number : numbers) speakers.insert(clips.clips[number].speaker);
  speakers.erase("");
  return fmt::format(
      "{} clips{}", numbers.size(),
      speakers.empty() ? "" : fmt::format(" of {} speaker{}", speakers.size(), speakers.size() == 1 ? "" : "s"));
}

class Cards {
 public:
  // leak: which leaks there are between training and test clips; "" if there are none.
  Cards(const Base& base, const RunOptions& options, const json& metrics, std::string leak)
      : base_(base), options_(options), metrics_(metrics), library_(library_of(options)), leak_(std::move(leak)) {}

  // training: "fold-03 of 10 folds, seed 42"; data: its training clips and their speakers; score: UAR on
  // its own test clips, or "".
  std::string card(const std::string& training, const std::string& data, const std::string& score) const {
    const std::string method = options_.adapter.method;
    std::string text = fmt::format(
        "---\n"
        "library_name: {}\n"
        "{}"
        "pipeline_tag: audio-classification\n"
        "tags: [speech-emotion-recognition, whisper, {}]\n"
        "---\n"
        "# Emotions in speech: {} on {}\n"
        "loralens {} trained this model ({}).\n\n"
        "| | |\n"
        "|---|---|\n",
        library_ == Library::peft           ? "peft"
        : library_ == Library::transformers ? "transformers"
                                            : "loralens",
        is_hub_name(base_.name) ? fmt::format("base_model: {}\n", json(base_.name).dump()) : "", method, method,
        is_hub_name(base_.name) ? base_.name : "Whisper", LORALENS_VERSION, training);
    add(text, "classes", fmt::format("{}", fmt::join(metrics_.at("classes").get<std::vector<std::string>>(), ", ")));
    add(text, "corpora", corpora());
    add(text, "trained on", data);
    if (!score.empty()) add(text, "UAR on the test clips of its fold", score);
    add(text,
        options_.seeds > 1 ? fmt::format("UAR of the models of all folds and {} seeds", options_.seeds)
                           : "UAR of the models of all folds",
        run_score() + (score.empty() ? "; this model itself is tested on nothing" : ""));
    add(text, "epoch", selection());
    if (!leak_.empty()) add(text, "leaks", leak_);
    if (metrics_.contains("from")) add(text, "started from", start());
    if (metrics_.contains("skipped_clips"))
      add(text, "left out", fmt::format("{} unreadable clips", metrics_.at("skipped_clips").dump()));
    add(text, "protocol", std::string(options_.protocol.name));
    add(text, "input", input());
    text += "\n" + use();
    text += fmt::format(
        "\n## Limits\n"
        "{}\n\n"
        "## Licence\n"
        "The licence of the base model and the terms of the corpora apply. To share this model, add a line `license:` "
        "to the\nfirst lines of this file.\n",
        limits());
    return text;
  }

 private:
  static void add(std::string& text, const std::string& name, const std::string& value) {
    std::string cell;
    for (const char c : value) cell += c == '|' ? std::string("\\|") : std::string(1, c);
    text += fmt::format("| {} | {} |\n", name, cell);
  }

  std::string corpora() const {
    std::string names;
    for (const auto& name : metrics_.value("corpus", std::vector<std::string>()))
      names += (names.empty() ? "" : ", ") + (name.empty() ? "not named" : name);
    return names.empty() ? "not named" : names;
  }

  std::string selection() const {
    switch (options_.train.selection) {
      case Selection::test: return "chosen on the test clips, as published: the scores are too high";
      case Selection::development: return "chosen on development clips";
      case Selection::last: break;
    }
    return "the last one";
  }

  // How many test clips and speakers the adapter knew from which the training started.
  std::string start() const {
    const auto count = [&](const char* key) {
      const json known = metrics_.value(key, json(0));
      return known.is_null() ? std::string("an unknown number") : known.dump();
    };
    return fmt::format("a trained adapter that knew {} of the test clips and {} of their speakers",
                       count("trained_clips"), count("trained_speakers"));
  }

  std::string limits() const {
    const auto names = metrics_.value("corpus", std::vector<std::string>());
    if (std::ranges::find(names, "synthetic") != names.end())
      return "The corpus is synthetic speech: the scores say nothing about people.";
    if (!leak_.empty() || options_.train.selection == Selection::test)
      return "The scores are of clips or speakers that the training knew: nothing is known of new speakers.";
    return "The scores hold for speakers like those of the corpus, who speak and are recorded as there. Nothing is "
           "known of other\nvoices, languages and rooms.";
  }

  std::string run_score() const {
    const json& uar = metrics_.at("uar");
    const json low = uar.value("low", json()), high = uar.value("high", json());
    return fmt::format(
        "{:.3f}{}", uar.value("pooled", uar.at("mean").get<double>()),
        low.is_number() && high.is_number()
            ? fmt::format(", 95 % interval over speakers {:.3f} to {:.3f}", low.get<double>(), high.get<double>())
        : uar.contains("reason") ? fmt::format(" (no interval: {})", uar.at("reason").get<std::string>())
                                 : "");
  }

  std::string input() const {
    const InputOptions& input = options_.source.input;
    if (input.padded) return "16 kHz, mono, padded to 30 s";
    return fmt::format(
        "16 kHz, mono, each clip at its own length and {:g} s of silence; padding to 30 s, which is "
        "usual, gives other answers",
        input.tail);
  }

  std::string use() const {
    std::string text = "## Use\n```\nloralens predict . clip.wav\n```\n";
    if (library_ == Library::none) return text + "transformers and PEFT have no place for a model of this kind.\n";
    text += fmt::format("In Python, with {}transformers and soundfile, for a clip of 16 kHz, mono, of at most 30 s:\n",
                        library_ == Library::peft ? "peft, " : "");
    return text + "```python\n" + python_lines(library_, base_.name) + "```\n";
  }

  const Base& base_;
  const RunOptions& options_;
  const json& metrics_;
  Library library_;
  std::string leak_;
};

double uar_of(std::span<const Prediction> predictions, int64_t fold, uint64_t seed, int64_t classes) {
  Confusion confusion(classes);
  for (const Prediction& p : predictions)
    if (p.fold == fold && p.seed == seed) confusion.add(p.truth, p.predicted);
  return uar(confusion);
}

}  // namespace

void write_model_cards(const Path& run, const Base& base, const Clips& clips, const std::vector<Fold>& folds,
                       const RunOptions& options, std::span<const Prediction> predictions, const json& metrics) {
  const std::string leak = speaker_leak(clips, folds).empty()
                               ? ""
                               : "a speaker is in two of the training, development and test clips, or may be";
  const Cards cards(base, options, metrics, leak);
  const auto classes = std::ssize(metrics.at("classes"));
  for (int64_t r = 0; r < options.seeds; ++r) {
    const uint64_t seed = options.train.seed + static_cast<uint64_t>(r);
    const Path folder = training_folder(run, options.train.seed, seed);
    for (int64_t f = 0; f < std::ssize(folds); ++f) {
      const Fold& fold = folds[f];
      const std::string chosen =
          fold.development.empty() ? "" : fmt::format("; settings chosen on {}", counted(clips, fold.development));
      write_file(
          folder / fold_name(f) / "README.md",
          cards.card(fmt::format("{} of {} folds, seed {}", fold_name(f), folds.size(), seed),
                     counted(clips, fold.train) + chosen,
                     fmt::format("{:.3f} ({})", uar_of(predictions, f, seed, classes), counted(clips, fold.test))));
    }
    if (options.final_model)
      write_file(folder / "final" / "README.md",
                 cards.card(fmt::format("final model, seed {}", seed), counted(clips, all_clips(clips)), ""));
  }
}

}  // namespace loralens
