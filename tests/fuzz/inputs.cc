// SPDX-License-Identifier: Apache-2.0
#include "fuzz/inputs.h"

#include <ATen/ops/ones.h>
#include <signal.h>
#include <sndfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/test_ctranslate2.h"
#include "checkpoint/test_torch.h"
#include "fuzz/process.h"
#include "whisper/decoder/test_decoder.h"

namespace loralens::fuzz {
namespace {

namespace fs = std::filesystem;

// A tone with some noise, 0.3 s at 16 kHz; clips differ in pitch.
std::vector<float> tone(int number) {
  Random random(static_cast<uint64_t>(number));
  std::vector<float> samples(4800);
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] =
        static_cast<float>(0.3 * std::sin(0.02 * (number + 3) * static_cast<double>(i)) + 0.05 * random.uniform(-1, 1));
  return samples;
}

// Writes an audio file; false if libsndfile cannot write this format.
bool write_audio(const Path& file, int format, int rate, const std::vector<float>& samples) {
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = 1;
  info.format = format;
  if (!sf_format_check(&info)) return false;
  SNDFILE* out = sf_open(file.c_str(), SFM_WRITE, &info);
  if (!out) return false;
  const auto count = static_cast<sf_count_t>(samples.size());
  const bool whole = sf_writef_float(out, samples.data(), count) == count;
  return sf_close(out) == 0 && whole;
}

// A file of 0.2 s for each container with each encoding that it supports. The files are short, so that a run takes
// little more time than its start.
void write_formats(const Path& folder) {
  const auto count = [](int command) {
    int n = 0;
    sf_command(nullptr, command, &n, sizeof n);
    return n;
  };
  std::vector<float> samples = tone(1);
  samples.resize(3200);
  for (int major = 0; major < count(SFC_GET_FORMAT_MAJOR_COUNT); ++major)
    for (int minor = 0; minor < count(SFC_GET_FORMAT_SUBTYPE_COUNT); ++minor) {
      SF_FORMAT_INFO container{.format = major}, encoding{.format = minor};
      sf_command(nullptr, SFC_GET_FORMAT_MAJOR, &container, sizeof container);
      sf_command(nullptr, SFC_GET_FORMAT_SUBTYPE, &encoding, sizeof encoding);
      if (container.format == SF_FORMAT_RAW || container.format == SF_FORMAT_SD2)
        continue;  // SD2 is a file and its resource fork
      const auto name = fmt::format("{:06x}-{:04x}.{}", container.format, encoding.format, container.extension);
      if (!write_audio(folder / name, container.format | encoding.format, 16000, samples)) {
        fs::remove(folder / name);
        continue;
      }
      write_file(folder / (name + ".csv"), "path,label,speaker\n" + name + ",anger,s1\n../audio/0.wav,sadness,s2\n");
    }
}

const std::vector<std::string> classes = {"anger", "sadness"};

// 2 speakers, 2 classes, 2 texts.
void write_corpus(const Path& folder) {
  fs::create_directory(folder / "audio");
  std::string csv = "path,label,speaker,session,text,start,end,corpus,language,gender,intensity\n",
              tsv = "file\temotion\twho\n", lines, tiny = "path,label,speaker\n", list;
  for (int i = 0; i < 8; ++i) {
    const auto audio = fmt::format("audio/{}.wav", i);
    const std::string label = classes[i % 2], speaker = fmt::format("s{}", i / 4);
    if (!write_audio(folder / audio, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, tone(i)))
      fail("libsndfile writes no WAV");
    csv += fmt::format("{},{},{},{},text {},{},tiny,en,{},normal\n", audio, label, speaker, i / 4, i / 2 % 2,
                       i % 4 == 3 ? "0.05,0.25" : ",", i < 4 ? "female" : "male");
    tsv += fmt::format("{}\t{}\t{}\n", audio, label, speaker);
    lines +=
        nlohmann::json{{"path", audio}, {"label", label}, {"speaker", speaker}, {"start", 0.0}, {"end", 0.25}}.dump() +
        "\n";
    if (i % 2 == 0 || i > 5) tiny += fmt::format("{},{},{}\n", audio, label, speaker);
    list += audio + (i % 4 == 3 ? "#0.05-0.25\n" : "\n");
  }
  write_file(folder / "clips.csv", csv);
  write_file(folder / "tiny.csv", tiny);
  write_file(folder / "table.tsv", tsv);
  write_file(folder / "table.jsonl", lines);
  write_file(folder / "list.txt", list);
  write_file(folder / "labels.txt", "# classes\nanger=anger, sadness=sadness\nang=anger\n");
}

void write_base(const Path& folder) {
  const Path whole = folder / "base", sharded = folder / "sharded";
  fs::create_directory(whole);
  fs::create_directory(sharded);
  Tensors all, shards[2];
  nlohmann::json map;
  const auto put = [&](const std::string& name, const at::Tensor& tensor) {
    const size_t shard = all.size() % 2;
    shards[shard]["model." + name] = all["model." + name] = tensor;
    map["model." + name] = fmt::format("model-{:05}-of-00002.safetensors", shard + 1);
  };
  visit_tensors(tiny_encoder(), put);
  Decoder decoder = tiny_decoder();
  visit_tensors(decoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t>) { put(name, tensor); });
  write_safetensors(whole / "model.safetensors", all);
  for (size_t i = 0; i < 2; ++i)
    write_safetensors(sharded / fmt::format("model-{:05}-of-00002.safetensors", i + 1), shards[i]);
  write_file(sharded / "model.safetensors.index.json",
             nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump(2));
  nlohmann::json config = tiny_whisper_json();
  config["activation_function"] = "gelu";
  for (const Path& model : {whole, sharded}) write_file(model / "config.json", config.dump(2));
  write_file(whole / "generation_config.json", tiny_generation_json().dump(2));
  write_file(whole / "tokenizer.json", tiny_tokenizer_json().dump(2));
}

void write_ctranslate2(const Path& folder) {
  fs::create_directory(folder / "ct2");
  write_file(folder / "ct2" / "model.bin", tiny_ctranslate2::tiny_model().bytes());
  write_file(folder / "ct2" / "tokenizer.json",
             R"({"model": {"vocab": {"Ġ": 220}}, "added_tokens": [{"id": 50256, "content": "<|endoftext|>"},
                 {"id": 50257, "content": "<|startoftranscript|>"}, {"id": 50362, "content": "<|notimestamps|>"}]})");
  write_file(folder / "ct2" / "config.json", R"({"suppress_ids": [1, 2], "suppress_ids_begin": [220, 50256]})");
  tiny_ctranslate2::Model small;  // for the parser's fuzz target only
  small.norm("encoder/layer_norm");
  small.variables["encoder/num_heads"] = at::tensor(1, at::kShort);
  write_file(folder / "ct2" / "small.bin", small.bytes());
}

// The adapter as a pickle of PyTorch, its pickle alone (for the parser's fuzz target), and a file of OpenAI's Whisper
// with an encoder of one layer.
void write_pickles(const Path& folder) {
  fs::create_directory(folder / "pickled");
  fs::copy(folder / "adapter" / "adapter_config.json", folder / "pickled" / "adapter_config.json");
  const Tensors adapter = read_safetensors(folder / "adapter" / "adapter_model.safetensors");
  write_file(folder / "pickled" / "adapter_model.bin", test_torch::state_file(adapter));
  std::map<std::string, std::string> storages;
  write_file(folder / "pickled" / "data.pkl", test_torch::whole_pickle(test_torch::state_dict(adapter, storages)));

  constexpr int64_t width = 8;
  Tensors state = {{"encoder.positional_embedding", at::ones({6, width})},
                   {"encoder.conv1.weight", at::ones({width, 80, 3})},
                   {"encoder.conv2.weight", at::ones({width, width, 3})},
                   {"encoder.blocks.0.mlp.0.weight", at::ones({4 * width, width})},
                   {"encoder.blocks.0.mlp.0.bias", at::ones({4 * width})},
                   {"encoder.blocks.0.mlp.2.weight", at::ones({width, 4 * width})}};
  for (const char* name : {"attn.query", "attn.key", "attn.value", "attn.out"})
    state[fmt::format("encoder.blocks.0.{}.weight", name)] = at::ones({width, width});
  for (const char* name : {"conv1", "conv2", "ln_post", "blocks.0.attn.query", "blocks.0.attn.value",
                           "blocks.0.attn.out", "blocks.0.attn_ln", "blocks.0.mlp_ln", "blocks.0.mlp.2"})
    state[fmt::format("encoder.{}.bias", name)] = at::ones({width});
  for (const char* name : {"ln_post", "blocks.0.attn_ln", "blocks.0.mlp_ln"})
    state[fmt::format("encoder.{}.weight", name)] = at::ones({width});
  storages.clear();
  const std::string opcodes = test_torch::state_dict(state, storages);
  std::string dims = "}(";
  for (const auto& [name, size] : std::map<std::string, int32_t>{{"n_mels", 80},
                                                                 {"n_vocab", 51864},
                                                                 {"n_audio_ctx", 6},
                                                                 {"n_audio_state", width},
                                                                 {"n_audio_head", 2},
                                                                 {"n_audio_layer", 1},
                                                                 {"n_text_ctx", 4},
                                                                 {"n_text_state", width},
                                                                 {"n_text_head", 2},
                                                                 {"n_text_layer", 1}})
    dims += test_torch::pickled_text(name) + test_torch::pickled_integer(size);
  const std::string body = "}(" + test_torch::pickled_text("dims") + dims + "u" +
                           test_torch::pickled_text("model_state_dict") + opcodes + "u";
  write_file(folder / "pickled" / "openai.pt", test_torch::torch_zip(body, storages));
}

// Runs work() in a child process. Work with tensors starts threads, and this process must stay without them to fork.
void aside(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child < 0) fail("cannot start another process");
  if (child == 0) {
    try {
      at::set_num_threads(1);
      work();
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      std::_Exit(1);
    }
    std::_Exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) fail("the inputs could not be made");
}

Words training(const std::string& out, std::initializer_list<std::string> more) {
  Words words = {"-q",           "train", "--model",  "base", "--corpus",      "clips.csv", "--folds",     "speaker:2",
                 "--select",     "last",  "--epochs", "1",    "--head-epochs", "1",         "--batch",     "4",
                 "--projection", "8",     "--watch",  "1",    "--threads",     "1",         "--precision", "fp32",
                 "-o",           out};
  words.insert(words.end(), more);
  return words;
}

// Kills a training as soon as its first fold has a checkpoint; tries again if the training ended before.
void interrupt_training(const Path& folder) {
  const Path unfinished = folder / "unfinished.partial",
             checkpoint = unfinished / "fold-00.partial" / "checkpoint.safetensors";
  Words words = training("unfinished", {"--rank", "2"});
  *(std::find(words.begin(), words.end(), "--epochs") + 1) = "8";
  *(std::find(words.begin(), words.end(), "--batch") + 1) = "1";
  for (int attempt = 0; attempt < 10; ++attempt) {
    fs::remove_all(folder / "unfinished");
    fs::remove_all(unfinished);
    const pid_t child = start(folder, words, [] {}, {.time = false});
    int status = 0;
    bool ended = false;
    while (!fs::exists(checkpoint) && !ended) ended = ::waitpid(child, &status, WNOHANG) != 0;
    if (!ended) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
    }
    if (fs::exists(checkpoint)) return;
  }
  fail("no training could be interrupted: {}", read_file(folder / "stderr.txt"));
}

}  // namespace

void make_inputs(const Path& folder) {
  fs::create_directories(folder / "formats");
  aside([&] {
    write_base(folder);
    write_ctranslate2(folder);
  });
  write_corpus(folder);
  write_formats(folder / "formats");
  succeed(folder, training("run", {"--rank", "2", "--final"}));
  succeed(folder, training("weighted", {"--rank", "2", "--weighted-layer-sum"}));
  succeed(folder, training("frozen", {"--method", "frozen"}));
  succeed(folder, training("full", {"--method", "full"}));
  interrupt_training(folder);
  fs::create_directory(folder / "adapter");  // as PEFT writes it
  for (const char* file : {"adapter_config.json", "adapter_model.safetensors"})
    fs::copy(folder / "run" / "fold-00" / file, folder / "adapter" / file);
  aside([&] { write_pickles(folder); });
  fs::copy(folder / "run" / "folds.csv", folder / "folds.csv");
  fs::copy(folder / "run" / "config.toml", folder / "train.toml");
  for (const char* name : {"database", "dataset"}) fs::create_directory(folder / name);
  write_file(
      folder / "database" / "db.yaml",
      "name: words\nlanguages: [deu]\nschemes:\n  speaker:\n    labels:\n      3: {gender: male, language: deu}\n"
      "tables:\n  emotion: {type: segmented, columns: {emotion: {scheme_id: emotion}}}\n");
  write_file(
      folder / "database" / "db.emotion.csv",
      "file,start,end,emotion,speaker\n0.wav,0 days,NaT,anger,3\n1.wav,0 days 00:00:00.1,0 days 00:00:00.2,joy,3\n");
  write_file(
      folder / "dataset" / "metadata.jsonl",
      "{\"file_name\": \"0.wav\", \"label\": 0, \"speaker\": \"a\"}\n{\"file_name\": \"1.wav\", \"label\": 1}\n");
  write_file(folder / "dataset" / "README.md",
             "---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n"
             "          '0': anger\n          '1': joy\n---\n");
  write_file(folder / "study.toml",
             "title = 'ranks'\n[train]\nmodel = 'base'\ncorpus = 'tiny.csv'\nfolds = 'speaker:2'\nselect = 'last'\n"
             "[grid]\nbatch = [1, 2]\n[grid.update.frozen]\nmethod = 'frozen'\n[grid.update.lora]\nalpha = 0.5\n"
             "[compare]\nupdate = 'frozen'\nmargin = 0.1\n[analyze]\nonly = 'contribution'\n[slurm]\ntime = '1'\n");
  succeed(folder, {"-q", "evaluate", "run", "--corpus", "tiny.csv", "-o", "evaluation", "--threads", "1", "--precision",
                   "fp32"});
  succeed(folder,
          {"-q", "analyze", "run", "--only", "contribution,logit-lens,dynamics", "-o", "analysis", "--threads", "1"});
  for (const char* log : {"stdout.txt", "stderr.txt"}) fs::remove(folder / log);
}

}  // namespace loralens::fuzz
