// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>

#include "base/test_folder.h"
#include "checkpoint/safetensors.h"
#include "classifier/test_model.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

Tensor test_logits(const EmotionModel& model) {
  const Tensor mel = random_tensor({80, 36}, 7).to(c10::ScalarType::Float);  // the stem is trained too in "full"
  return logits_of(model, stem(model.compute_encoder(), mel), pass_of({11, 7})).detach();
}

struct Saved {
  std::string method;
  bool weighted;
};

class SavedModels : public testing::TestWithParam<Saved> {};

TEST_P(SavedModels, AreLoadedBitForBit) {
  const auto [method, weighted] = GetParam();
  const Base base = tiny_base();
  EmotionModel model = tiny_model(base, tiny_adapter(method, 0.1), weighted);
  model.input = {true, 0.25, true};
  const TestFolder folder;
  save_model(folder.path(), model);
  EXPECT_TRUE(is_model_folder(folder.path()));
  EXPECT_EQ(base_name_of(folder.path()), "tiny");

  const EmotionModel back = load_model(folder.path(), base);
  EXPECT_TRUE(same_bits(test_logits(back), test_logits(model)));
  EXPECT_THAT(back.classes, ElementsAre("anger", "joy", "sadness"));
  EXPECT_TRUE(back.input.padded);
  EXPECT_EQ(back.input.tail, 0.25);
  EXPECT_TRUE(back.input.cut);
  EXPECT_EQ(back.options.method, method);
  EXPECT_EQ(back.base_sha256, base.sha256);
  const auto before = model.parameters(), after = back.parameters();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].name, before[i].name);
    EXPECT_TRUE(same_bits(after[i].tensor, before[i].tensor)) << after[i].name;
  }
  // Saving the loaded model again writes the same files.
  const Path second = folder.path() / "second";
  std::filesystem::create_directories(second);
  save_model(second, back);
  for (const auto& entry : std::filesystem::directory_iterator(second))
    EXPECT_EQ(read_file(entry.path()), read_file(folder.path() / entry.path().filename())) << entry.path();
}

INSTANTIATE_TEST_SUITE_P(Methods, SavedModels,
                         testing::Values(Saved{"lora", false}, Saved{"lora", true}, Saved{"frozen", false},
                                         Saved{"frozen", true}, Saved{"full", false}, Saved{"full", true},
                                         Saved{"houlsby", false}, Saved{"houlsby", true}, Saved{"pissa", false},
                                         Saved{"pissa", true}, Saved{"dora", false}, Saved{"vera", false},
                                         Saved{"vera", true}, Saved{"ia3", false}, Saved{"bitfit", false},
                                         Saved{"bitfit", true}),
                         [](const auto& info) { return info.param.method + (info.param.weighted ? "_weighted" : ""); });

// A head that reads hidden state 1, and one for the last layer, as training/read_out.h makes them.
EmotionModel read_out_model(const Base& base) {
  EmotionModel model = make_model(base, tiny_adapter("frozen"), {.logistic = true}, {"anger", "joy", "sadness"}, 1);
  model.last_layer_head = make_head(base.encoder, 3, {.logistic = true}, 1);
  model.head.projector.weight.detach().add_(random_tensor({3, 16}, 4));
  model.last_layer_head->projector.weight.detach().add_(random_tensor({3, 16}, 5));
  model.head.hidden_state = 1;
  model.read_out = {{"hidden_state", 1}, {"l2", 0.1}};
  return model;
}

TEST(SavedModel, OfALogisticHeadHasTheLastLayersHeadUnderTransformersNames) {
  const Base base = tiny_base();
  const EmotionModel model = read_out_model(base);
  const TestFolder folder;
  save_model(folder.path(), model);
  const EmotionModel back = load_model(folder.path(), base);
  EXPECT_EQ(back.head.hidden_state, 1);
  EXPECT_EQ(back.read_out, model.read_out);
  EXPECT_TRUE(same_bits(test_logits(back), test_logits(model)));
  expect_same_parameters(back, model);
  ASSERT_TRUE(back.last_layer_head && back.last_layer_head->reads_last_layer());
  const Tensors tensors = read_safetensors(folder.path() / "head.safetensors");
  EXPECT_EQ(tensors.size(), 8);
  EXPECT_TRUE(same_bits(tensors.at("projector.weight"), model.last_layer_head->projector.weight));
  EXPECT_TRUE(same_bits(back.last_layer_head->projector.weight, model.last_layer_head->projector.weight));
  EXPECT_TRUE(same_bits(tensors.at("read_out.projector.weight"), model.head.projector.weight));
  const std::string config = read_file(folder.path() / "config.json");
  EXPECT_THAT(config, HasSubstr("\"use_weighted_layer_sum\": false"));

  const auto error_with = [&](std::string_view old, std::string_view text) {
    std::string changed = config;
    write_file(folder.path() / "config.json", changed.replace(changed.find(old), old.size(), text));
    return error_of([&] { load_model(folder.path(), base); });
  };
  EXPECT_THAT(error_with("\"hidden_state\": 1", "\"hidden_state\": 4"), HasSubstr("hidden_state"));
  EXPECT_THAT(error_with("\"hidden_state\": 1", "\"hidden_state\": 3"), HasSubstr("this model has no tensor"));
  EXPECT_THAT(error_with("\"hidden_state\": 1", "\"state\": 1"), HasSubstr("hidden_state"));
  write_file(folder.path() / "config.json", config);
  write_safetensors(folder.path() / "head.safetensors", {{"projector.weight", tensors.at("projector.weight")},
                                                         {"projector.bias", tensors.at("projector.bias")},
                                                         {"classifier.weight", tensors.at("classifier.weight")},
                                                         {"classifier.bias", tensors.at("classifier.bias")}});
  EXPECT_THAT(error_of([&] { load_model(folder.path(), base); }),
              HasSubstr("the tensor read_out.projector.weight is missing"));
}

TEST(SavedModel, OfLoraIsAPeftFolder) {
  const TestFolder folder;
  save_model(folder.path(), tiny_model(tiny_base(), tiny_adapter("lora"), true));
  const json config = json::parse(read_file(folder.path() / "adapter_config.json"));
  EXPECT_EQ(config.at("peft_type"), "LORA");
  EXPECT_EQ(config.at("modules_to_save"), (json{"projector", "classifier"}));
  const Tensors tensors = read_safetensors(folder.path() / "adapter_model.safetensors");
  EXPECT_EQ(tensors.size(), 36u + 4);
  EXPECT_EQ(tensors.at("base_model.model.encoder.layers.1.self_attn.v_proj.lora_A.weight").sizes(),
            (std::vector<int64_t>{4, 16}));
  EXPECT_EQ(tensors.at("base_model.model.encoder.layers.1.fc1.lora_B.weight").sizes(), (std::vector<int64_t>{32, 4}));
  EXPECT_TRUE(tensors.contains("base_model.model.classifier.bias"));
  EXPECT_EQ(read_safetensors(folder.path() / "head.safetensors").size(), 1u);
  const json whole = json::parse(read_file(folder.path() / "config.json"));
  EXPECT_EQ(whole.at("id2label").at("2"), "sadness");
  EXPECT_EQ(whole.at("label2id").at("sadness"), 2);
  EXPECT_EQ(whole.at("d_model"), 16);
  EXPECT_EQ(whole.at("classifier_proj_size"), 8);
  EXPECT_EQ(whole.at("use_weighted_layer_sum"), true);
}

// A folder as PEFT writes it: without class names or the name of the base model.
TEST(SavedModel, BarePeftFoldersTakeClassesFromTheCaller) {
  const Base base = tiny_base();
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  const TestFolder folder;
  save_model(folder.path(), model);
  std::filesystem::remove(folder.path() / "config.json");
  EXPECT_TRUE(is_model_folder(folder.path()));
  EXPECT_EQ(base_name_of(folder.path()), "tiny");
  const EmotionModel unnamed = load_model(folder.path(), base);
  EXPECT_THAT(unnamed.classes, ElementsAre("0", "1", "2"));
  EXPECT_TRUE(same_bits(test_logits(unnamed), test_logits(model)));
  const EmotionModel named = load_model(folder.path(), base, {{"a", "b", "c"}, {true, 0, true}});
  EXPECT_THAT(named.classes, ElementsAre("a", "b", "c"));
  EXPECT_TRUE(named.input.padded && named.input.cut);
  EXPECT_THAT(error_of([&] { load_model(folder.path(), base, {{"a", "b"}, {}}); }),
              HasSubstr("the head has 3 classes, 2 names were given"));
}

// Saves a model, changes one of its tensor files, and returns the error message of loading it.
std::string error_after(const std::string& method, bool weighted, const std::string& file,
                        const std::function<void(Tensors&)>& change) {
  const Base base = tiny_base();
  const TestFolder folder;
  save_model(folder.path(), tiny_model(base, tiny_adapter(method), weighted));
  Tensors tensors = read_safetensors(folder.path() / file);
  change(tensors);
  write_safetensors(folder.path() / file, tensors);
  return error_of([&] { load_model(folder.path(), base); });
}

TEST(SavedModel, MissingSurplusOrMisshapenTensorsAreErrors) {
  struct Case {
    std::string method, file, prefix, encoder_tensor;
  };
  for (const auto& [method, file, prefix, own] :
       {Case{"lora", "adapter_model.safetensors", "base_model.model.",
             "encoder.layers.1.self_attn.v_proj.lora_A.weight"},
        Case{"full", "model.safetensors", "", "encoder.layers.1.self_attn.v_proj.weight"},
        Case{"full", "model.safetensors", "", "encoder.embed_positions.weight"},
        Case{"frozen", "head.safetensors", "", "projector.bias"}}) {
    const auto error_with = [&](const std::function<void(Tensors&)>& change) {
      return error_after(method, false, file, change);
    };
    EXPECT_EQ(error_with([](Tensors&) {}), "");
    for (const std::string& name :
         {own, std::string("classifier.weight"), std::string("projector.weight"), std::string("classifier.bias")}) {
      EXPECT_THAT(error_with([&](Tensors& t) { t.erase(prefix + name); }),
                  HasSubstr("the tensor " + prefix + name + " is missing"));
      EXPECT_THAT(error_with([&](Tensors& t) { t[prefix + name] = at::zeros({2, 3, 5}); }),
                  testing::Not(testing::IsEmpty()))
          << name;
    }
    EXPECT_THAT(error_with([&](Tensors& t) { t[prefix + own] = at::zeros({4, 24}); }),
                testing::AllOf(HasSubstr(prefix + own + " has the shape [4, 24]"), HasSubstr("another model size")));
    EXPECT_THAT(error_with([&](Tensors& t) { t[prefix + "encoder.layers.3.fc1.lora_A.weight"] = at::zeros({4, 16}); }),
                HasSubstr("this model has no tensor \"" + prefix + "encoder.layers.3.fc1.lora_A.weight\""));
    EXPECT_THAT(error_with([&](Tensors& t) { t["layer_weights"] = at::zeros({4}); }),
                HasSubstr("this model has no tensor"));
  }
  EXPECT_THAT(error_after("lora", true, "head.safetensors", [](Tensors& t) { t = {{"other", at::zeros({4})}}; }),
              HasSubstr("the tensor layer_weights is missing"));
  EXPECT_THAT(error_after("lora", true, "head.safetensors", [](Tensors& t) { t["layer_weights"] = at::zeros({5}); }),
              HasSubstr("layer_weights has the shape [5], [4] was expected"));
}

TEST(SavedModel, OfAnotherBaseIsRefused) {
  const TestFolder folder;
  for (const char* method : {"lora", "frozen", "full"}) {
    save_model(folder.path(), tiny_model(tiny_base(), tiny_adapter(method)));
    EXPECT_THAT(error_of([&] { load_model(folder.path(), tiny_base({}, 2)); }),
                HasSubstr("another base encoder than tiny: give the right one with --model (config.json names tiny)"));
  }
}

TEST(SavedModel, ClassesAreThoseOfItsConfigOrElseThoseGiven) {
  const Base base = tiny_base();
  const TestFolder folder;
  save_model(folder.path(), tiny_model(base, tiny_adapter("lora")));
  EXPECT_THAT(load_model(folder.path(), base, {{"x", "y", "z"}, {}}).classes, ElementsAre("anger", "joy", "sadness"));
  const json config = json::parse(read_file(folder.path() / "config.json"));
  json without = config["id2label"];
  without.erase("1");
  std::filesystem::remove(folder.path() / "config.json");
  EXPECT_THAT(load_model(folder.path(), base, {{"x", "y", "z"}, {}}).classes, ElementsAre("x", "y", "z"));
  EXPECT_THAT(load_model(folder.path(), base).classes, ElementsAre("0", "1", "2"));
  EXPECT_THAT(error_of([&] { load_model(folder.path(), base, {{"x"}, {}}); }), HasSubstr("3 classes, 1 names"));
  const auto error_with = [&](const json& id2label) {
    json changed = config;
    changed["id2label"] = id2label;
    folder.write("config.json", changed.dump());
    return error_of([&] { load_model(folder.path(), base); });
  };
  EXPECT_THAT(error_with(without), HasSubstr("\"id2label\" has no name for class 1"));
  EXPECT_EQ(error_with({{"0", "a"}, {"1", "b"}, {"2", "c"}}), "");
  EXPECT_THAT(error_with({{"0", "a"}, {"1", "b"}, {"2", "c"}, {"3", "d"}}), HasSubstr("4 names, the head 3 classes"));
  EXPECT_THAT(error_with({{"0", "a"}, {"1", "b"}, {"2", "a"}}),
              HasSubstr("the class name \"a\" is empty or occurs twice"));
  EXPECT_THAT(error_with({{"0", "a"}, {"1", ""}, {"2", "c"}}), HasSubstr("the class name \"\" is empty"));
  EXPECT_THAT(error_with({{"0", "a"}, {"1", 1}, {"2", "c"}}), HasSubstr("no name for class 1"));
  EXPECT_THAT(error_with({"a", "b", "c"}), HasSubstr("\"id2label\" is [\"a\",\"b\",\"c\"], not an object"));
}

// A file with an empty tensor can declare a huge head, so the sizes are checked before memory is allocated.
TEST(SavedModel, HeadsOutOfRangeAreRefused) {
  const Base base = tiny_base();
  const TestFolder folder;
  save_model(folder.path(), tiny_model(base, tiny_adapter("frozen")));
  const Path file = folder.path() / "head.safetensors";
  const auto error_with = [&](std::vector<int64_t> projector, std::vector<int64_t> classifier) {
    write_safetensors(file, {{"projector.weight", at::zeros(projector)},
                             {"projector.bias", at::zeros({8})},
                             {"classifier.weight", at::zeros(classifier)},
                             {"classifier.bias", at::zeros({3})}});
    return error_of([&] { load_model(folder.path(), base); });
  };
  EXPECT_EQ(error_with({8, 16}, {3, 8}), "");
  for (const int64_t classes : {0, 1, 10'001})
    EXPECT_THAT(error_with({8, 16}, {classes, 8}), HasSubstr("C 2 to 10000")) << classes;
  EXPECT_THAT(error_with({8, 16}, {int64_t{1} << 40, 0}),
              HasSubstr("head.safetensors: projector.weight has the shape [8, 16]"));
  EXPECT_THAT(error_with({0, 16}, {3, 0}), HasSubstr("P 1 to 16384"));
  EXPECT_THAT(error_with({8, 17}, {3, 8}), HasSubstr("expected are [P, 16]"));
  EXPECT_THAT(error_with({8, 16}, {3, 9}), HasSubstr("[C, P]"));
}

TEST(SavedModel, NumbersThatAreNotFiniteAreRefused) {
  const TestFolder folder;
  const Base base = tiny_base();
  save_model(folder.path(), tiny_model(base, tiny_adapter("lora")));
  const Path file = folder.path() / "adapter_model.safetensors";
  const Tensors good = read_safetensors(file);
  const auto error_with = [&](const std::string& name, double value, const Base& of) {
    Tensors tensors = good;
    tensors[name] = tensors.at(name).to(c10::ScalarType::Double);
    tensors[name].view({-1})[1] = value;
    write_safetensors(file, tensors);
    return error_of([&] { load_model(folder.path(), of); });
  };
  for (const auto& [name, tensor] : good) {
    for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL})
      EXPECT_THAT(error_with(name, value, base), HasSubstr(fmt::format("\"{}\" holds a NaN or an infinity", name)));
    EXPECT_THAT(error_with(name, 1e39, base), HasSubstr(name + " holds a number beyond the range of Float"));
  }
  const std::string name = good.begin()->first;
  EXPECT_EQ(error_with(name, 1e5, base), "");
  EXPECT_THAT(error_with(name, 1e5, tiny_base({c10::ScalarType::Half, c10::ScalarType::Float})),
              HasSubstr("beyond the range of Half"));
}

TEST(SavedModel, OfAnotherNumberOfHeadsIsRefused) {
  const Base base = tiny_base();
  const TestFolder folder;
  save_model(folder.path(), tiny_model(base, tiny_adapter("lora")));
  json config = json::parse(read_file(folder.path() / "config.json"));
  config["encoder_attention_heads"] = 4;
  folder.write("config.json", config.dump());
  EXPECT_THAT(error_of([&] { load_model(folder.path(), base); }),
              HasSubstr("\"encoder_attention_heads\" is 4, tiny has 2"));
}

TEST(SavedModel, AConfigOfWrongTypesIsRefusedByFileAndKey) {
  const Base base = tiny_base();
  const TestFolder folder;
  save_model(folder.path(), tiny_model(base, tiny_adapter("lora")));
  const json good = json::parse(read_file(folder.path() / "config.json"));
  const auto error_with = [&](const json& config) {
    folder.write("config.json", config.dump());
    return error_of([&] { load_model(folder.path(), base); });
  };
  for (const char* key : {"encoder_sha256", "input", "tail_seconds", "long_clips"})
    for (const json& value : {json(true), json::array(), json(nullptr)}) {
      json config = good;
      config["loralens"][key] = value;
      EXPECT_THAT(error_with(config), HasSubstr(fmt::format("config.json: \"{}\" is {}", key, value.dump())));
    }
  json config = good;
  config["loralens"]["input"] = "phonemes";
  EXPECT_THAT(error_with(config), HasSubstr("\"input\" is \"phonemes\": expected \"speech\" or \"padded\""));
  config["loralens"]["input"] = "padded";
  EXPECT_EQ(error_with(config), "");
  EXPECT_TRUE(load_model(folder.path(), base).input.padded);
  config["loralens"] = 3;
  EXPECT_THAT(error_with(config), HasSubstr("config.json: \"loralens\" is 3, not an object"));
  config = good;
  config["use_weighted_layer_sum"] = "yes";
  EXPECT_THAT(error_with(config), HasSubstr("\"use_weighted_layer_sum\" is \"yes\""));
  config = good;
  config["loralens"]["base"] = 1;
  folder.write("config.json", config.dump());
  EXPECT_THAT(error_of([&] { base_name_of(folder.path()); }), HasSubstr("\"base\" is 1"));
}

TEST(SavedModel, OtherFoldersAreNoModels) {
  const TestFolder folder;
  const auto error = [&] { return error_of([&] { load_model(folder.path(), tiny_base()); }); };
  EXPECT_FALSE(is_model_folder(folder.path()));
  EXPECT_EQ(base_name_of(folder.path()), "");
  EXPECT_THAT(error(), HasSubstr("neither a model that loralens saved nor a PEFT adapter"));
  folder.write("config.json", tiny_config().json.dump());  // a plain Whisper folder
  EXPECT_FALSE(is_model_folder(folder.path()));
  EXPECT_THAT(error(), HasSubstr("neither a model that loralens saved nor a PEFT adapter"));
  folder.write("config.json", "{");
  EXPECT_THAT(error(), HasSubstr("config.json: no valid JSON"));
  std::filesystem::remove(folder.path() / "config.json");
  folder.write("adapter_config.json",
               R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["v_proj"]})");
  EXPECT_THAT(error(), HasSubstr("adapter_model.safetensors"));
}

}  // namespace
}  // namespace loralens
