// SPDX-License-Identifier: Apache-2.0
// loralens embed: writes the states of the encoder, frozen or adapted, for audio files or a corpus, as NumPy's arrays.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/files/embeddings.h"
#include "cli/files/predictions_file.h"
#include "cli/layers.h"
#include "cli/machine.h"
#include "cli/own_files.h"
#include "cli/reads.h"
#include "corpus/join.h"
#include "results/run_folder.h"
#include "study/single_model.h"
#include "whisper/site_names.h"

namespace loralens {
namespace {

struct EmbedArguments {
  std::string model, out, sites, layers, adapters = "on", base, shard;
  std::vector<std::string> files, corpus;
  bool positions = false, force = false;
  InputOptions input;
  MachineOptions machine;
};

// Whether the argument names a trained model and not a Whisper checkpoint.
bool is_trained(const Path& path) {
  return is_model_folder(path) || is_model_folder(path / "final") || is_model_folder(path / fold_name(0)) ||
         std::filesystem::exists(path / "folds.csv");
}

struct Opened {
  Embedder model;
  std::string name;  // of the base model
  std::string fingerprint;
  c10::ScalarType precision;  // of the products
};

Opened open_checkpoint(const EmbedArguments& a) {
  if (!a.base.empty()) throw UsageError("--model goes with a run or an adapter; this model is its own base");
  if (a.adapters == "off") throw UsageError("--adapters off goes with a run or an adapter; this model has none");
  const Base base = open_base(a.model, compute_of(a.machine));
  Opened opened{{.encoder = base.encoder, .adapters = {}, .head = {}, .input = a.input, .sites = {}},
                base.name,
                "",
                base.precision.compute};
  opened.fingerprint = base.sha256.substr(0, 16);
  return opened;
}

Opened open_trained(const CLI::App& command, const EmbedArguments& a) {
  const Path folder = single_model("embed", a.model);
  const OpenedRun run = open_run_of(
      command, {.run = folder, .model = a.base, .classes = {}, .bare_input = a.input, .head = HeadUse::if_any},
      a.machine);
  const EmotionModel& model = run.models.front();
  const bool on = a.adapters == "on";
  if (!on && run.base_unknown)
    fail("{}: it is a whole model that names no base, so its adaptation cannot be taken off", folder.string());
  Opened opened{{.encoder = on ? model.compute_encoder() : run.base.encoder,
                 .adapters = on ? model.adapted.adapters : AdapterSet{},
                 .head = {},
                 .input = model.input,
                 .sites = {}},
                run.base.name,
                "",
                run.base.precision.compute};
  if (model.no_head.empty()) opened.model.head = model.head;
  opened.fingerprint = fingerprint_of(run.models);
  return opened;
}

// Adds the sites of the adapters in these layers (all: in every layer that has one).
void add_adapter_sites(Embedder& model, SiteKind kind, const std::vector<int64_t>& layers, bool all) {
  std::set<int64_t> without(layers.begin(), layers.end());
  for (const auto& [place, adapter] : model.adapters.linear) {
    if (!adapter->factors() || std::ranges::find(layers, place.layer) == layers.end()) continue;
    model.sites.push_back({kind, place.layer, place.module});
    without.erase(place.layer);
  }
  if (all ? without.size() == layers.size() : !without.empty())
    throw UsageError(fmt::format("--site {}: {} has no adapter of two factors on a linear layer", name_of(kind),
                                 all ? "this model" : fmt::format("layer {}", *without.begin())));
}

// Adds the sites of one kind to the model's. given: the layers of --layer; empty: all.
void add_sites(Embedder& model, SiteKind kind, const std::vector<int64_t>& given) {
  const std::string name(name_of(kind));
  if (kind == SiteKind::pattern) throw UsageError("--site pattern: attention patterns have no state for each position");
  if (kind >= SiteKind::final_norm) {
    if (!has_positions(kind) && model.positions)
      throw UsageError(fmt::format("--site {}: it has no positions: leave --positions out", name));
    if (!has_positions(kind) && !model.head)
      throw UsageError(fmt::format("--site {}: this model has no emotion head", name));
    model.sites.push_back({kind});
    return;
  }
  std::vector<int64_t> layers = given;
  for (int64_t layer = 0; given.empty() && layer < model.encoder.config.layers; ++layer) layers.push_back(layer);
  if (layers.front() < 0 && kind != SiteKind::residual_out)
    throw UsageError(fmt::format("--layer -1: the embedding has no {}", name));
  if (kind == SiteKind::adapter_down || kind == SiteKind::adapter_up)
    return add_adapter_sites(model, kind, layers, given.empty());
  for (const int64_t layer : layers)
    model.sites.push_back(layer < 0 ? Site{SiteKind::residual_in, 0} : Site{kind, layer});
}

void choose_sites(const EmbedArguments& a, Embedder& model) {
  const int64_t last = model.encoder.config.layers - 1;
  const std::vector<int64_t> layers =
      a.layers.empty() ? std::vector{last} : parse_layers("--layer", a.layers, {-1, last});
  const std::string sites = !a.sites.empty() ? a.sites : a.layers.empty() ? "final_norm" : "residual_out";
  for (const std::string& name : split(sites)) {
    const auto kind = site_kind(name);
    if (!kind) {
      std::vector<std::string> names;
      for (int i = 0; i <= static_cast<int>(SiteKind::logits); ++i)
        if (static_cast<SiteKind>(i) != SiteKind::pattern) names.emplace_back(name_of(static_cast<SiteKind>(i)));
      throw UsageError(fmt::format("--site {}: there is no such site: choose among {}", name, fmt::join(names, " ")));
    }
    add_sites(model, *kind, layers);
  }
  for (auto one = model.sites.begin(); one != model.sites.end(); ++one)
    if (std::find(model.sites.begin(), one, *one) != one)
      throw UsageError(fmt::format("--site {}: {} is named twice", sites, text_of(*one)));
  if (model.sites.empty()) throw UsageError("--site names no site");
}

// Where the clips come from: their ids, and the audio of an id.
struct Sources {
  PathSource ids;
  std::function<std::string(const std::string& id)> audio;  // its path, with #start-end for a segment
  std::vector<Path> read;  // the audio files of the tables
  std::string digest;      // of the table's ids and audio files; "" without one
};

Sources sources_of(const EmbedArguments& a) {
  if (a.files.empty() == a.corpus.empty()) throw UsageError("give audio files or --corpus, one of the two");
  if (a.corpus.empty()) return {shard_of(audio_paths(a.files), a.shard), [](const auto& id) { return id; }, {}, ""};
  const auto clips = std::make_shared<Clips>(read_corpora(a.corpus));
  if (const std::string missing = check_files(*clips); !missing.empty()) fail("{}", missing);
  const auto paths = std::make_shared<std::map<std::string, std::string>>();
  uint64_t digest = 0;
  for (const Clip& clip : clips->clips) {
    std::string& path = (*paths)[clip.id];
    path = clip.path.string() + (clip.is_segment() ? clip.id.substr(clip.id.rfind('#')) : std::string());
    digest = hash_of(digest, hash_of(clip.id), hash_of(path));
  }
  PathSource ids = [clips, next = size_t{0}]() mutable -> std::optional<std::string> {
    if (next == clips->clips.size()) return std::nullopt;
    return clips->clips[next++].id;
  };
  return {shard_of(std::move(ids), a.shard), [paths](const std::string& id) { return paths->at(id); }, paths_of(*clips),
          fmt::format("{:016x}", digest)};
}

// Embeds the files whose ids the source still gives; give() gets each with its id. Returns how many could not be read.
int64_t embed_all(const Embedder& model, const Sources& sources, int threads,
                  const std::function<void(const FileStates&)>& give) {
  std::deque<std::string> waiting;
  PathSource paths = [&]() -> std::optional<std::string> {
    const auto id = sources.ids();
    if (!id) return std::nullopt;
    waiting.push_back(*id);
    return sources.audio(*id);
  };
  int64_t failed = 0;
  Pace pace;
  embed_files(model, std::move(paths), threads, [&](FileStates file) {
    file.path = writable(waiting.front());
    waiting.pop_front();
    failed += file.error.empty() ? 0 : 1;
    give(file);
    pace.count();
  });
  return failed;
}

nlohmann::ordered_json description_of(const EmbedArguments& a, const Opened& opened,
                                      const std::vector<std::string>& sites, const std::string& audio) {
  return {{"written_by", "loralens embed"},
          {"base", opened.name},
          {"model", opened.fingerprint},
          {"adapters", a.adapters},
          {"input", opened.model.input.padded ? "padded" : "speech"},
          {"tail", opened.model.input.tail},
          {"precision", c10::toString(opened.precision)},
          {"table", audio},
          {"shard", a.shard},
          {"sites", sites},
          {"positions", a.positions}};
}

// The array's name: that of the site; the embedding's is residual_out.-1, as layers are numbered.
std::string array_name(const Site& site) {
  return site.kind == SiteKind::residual_in && site.layer == 0 ? "residual_out.-1" : text_of(site);
}

void embed(const CLI::App& command, const EmbedArguments& a) {
  Sources sources = sources_of(a);
  const Path out = output_name(a.out);
  const bool one_file = out.extension() == ".npz";
  std::vector<Path> read = paths_of_flags(command);
  read.insert(read.end(), sources.read.begin(), sources.read.end());
  read.insert(read.end(), a.files.begin(), a.files.end());
  if (one_file) check_output_file(out, a.force, complaint_about_embeddings);
  if (a.force) check_inputs_stay(out, read);
  Opened opened = is_trained(a.model) ? open_trained(command, a) : open_checkpoint(a);
  opened.model.positions = a.positions;
  choose_sites(a, opened.model);
  std::vector<std::string> names;
  for (const Site& site : opened.model.sites) names.push_back(array_name(site));
  Embeddings embeddings(names, a.positions);
  int64_t failed = 0;
  const int threads = thread_count(a.machine);
  if (one_file) {
    failed = embed_all(opened.model, sources, threads, [&](const FileStates& file) {
      if (file.error.empty())
        embeddings.add(file);
      else
        log_line(file.error);
      if (embeddings.bytes() >> 32 > 0)
        fail("the states are over 4 GiB, too many for one .npz: give -o a folder's name, or use --shard");
    });
    write_file(out, embeddings.npz());
  } else {
    EmbeddingsFolder folder(out, a.force, description_of(a, opened, names, sources.digest), embeddings);
    const auto before = folder.skip_written(sources.ids);
    if (before.files > 0) log_line(fmt::format("{} has {} files: going on after them", a.out, before.files));
    failed =
        before.errors + embed_all(opened.model, sources, threads, [&](const FileStates& file) { folder.write(file); });
    folder.finish();
  }
  if (failed > 0)
    fail("{} of the files could not be read: {}", failed,
         one_file ? "the lines above say why" : "column \"error\" of the .csv files says why");
}

}  // namespace

void add_embed(CLI::App& app) {
  auto a = std::make_shared<EmbedArguments>();
  auto* command = app.add_subcommand(
      "embed",
      "Writes the states of the encoder for audio files or a corpus, as NumPy arrays: the mean over each clip's\n"
      "positions, or with --positions the state of each. Arrays are named as the site, such as residual_out.3; `ids`\n"
      "has the paths (of a corpus: the ids of its table), `seconds` the lengths. A file that cannot be read is left\n"
      "out, and the exit status is 1. Repeat an interrupted command with a folder, and it goes on.\n\n"
      "Examples:\n"
      "  loralens embed base a.wav b.flac -o states.npz\n"
      "  loralens embed run/fold-00 --corpus clips.csv --layer all -o states\n"
      "  find . -name '*.wav' | loralens embed base - --site mlp_out --layer 2-4 -o states");
  command->option_defaults()->always_capture_default();
  command
      ->add_option("model", a->model,
                   "Whisper model (a name such as base, a Hugging Face id or a folder), "
                   "a model of a run (run/fold-00, run/final), or a PEFT folder")
      ->required();
  command->add_option("files", a->files, "audio files; - reads paths from standard input");
  add_corpus_option(*command, a->corpus, "table of clips, instead of files; may be given several times");
  command
      ->add_option("-o,--output", a->out,
                   "an .npz for all clips (at most 4 GiB), or a folder of parts of at most 1,000 clips or about 256 MB")
      ->required();
  command
      ->add_option("--site", a->sites,
                   "list of places in the forward pass: residual_in, attention_in, adapter_down, adapter_up, query,\n"
                   "key, value, heads, attention_out, residual_mid, mlp_in, mlp_hidden, mlp_out, residual_out,\n"
                   "final_norm, pooled, projected, logits; if not given: residual_out with --layer, else final_norm")
      ->default_str("");
  command
      ->add_option(
          "--layer", a->layers,
          "layers of the sites: numbers and ranges from 0 (-1: the embedding), all or upper; if not given: the "
          "last")
      ->default_str("");
  command->add_flag("--positions", a->positions, "the state of each position, a 50th of a second");
  command->add_option("--adapters", a->adapters, "off: the frozen encoder of a run or an adapter")
      ->check(CLI::IsMember({"on", "off"}));
  command->add_option("--model", a->base, "base model, if the adapter names none")->default_str("");
  add_shard_option(*command, a->shard);
  command->add_flag("--force", a->force, "replace the output if loralens wrote it");
  add_input_options(*command, a->input);
  add_machine_options(*command, a->machine, /*gradients=*/false);
  add_config_option(*command);
  command->callback([a, command] {
    apply_config(*command);
    embed(*command, *a);
  });
}

}  // namespace loralens
