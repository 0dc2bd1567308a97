// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

using testing::HasSubstr;

class SafetensorsTest : public testing::Test {
 protected:
  SafetensorsTest() : folder_(testing::TempDir() + "safetensors.XXXXXX") {
    std::string name = folder_.string();
    folder_ = mkdtemp(name.data());
  }
  ~SafetensorsTest() override { std::filesystem::remove_all(folder_); }

  Path put(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  // The error message of reading these bytes; "" if there is none.
  std::string complaint(const std::string& bytes) const {
    try {
      read_safetensors(put("x", bytes));
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr((folder_ / "x").string()));
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "";
  }

  Path folder_;
};

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string one(const std::string& description, size_t bytes) {
  return file_of("{\"w\":" + description + "}", std::string(bytes, '\0'));
}

// Written by Python's safetensors 0.8.0:
// save_file({"half": tensor([0.5, -2, 1], dtype=float16), "table": tensor([[1., -2.]]),
//            "flag": tensor([True, False]), "empty": zeros(0, 3)}, path, metadata={"format": "pt"})
std::string reference_file() {
  return file_of(R"({"__metadata__":{"format":"pt"},"empty":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},)"
                 R"("table":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                 R"("half":{"dtype":"F16","shape":[3],"data_offsets":[8,14]},)"
                 R"("flag":{"dtype":"BOOL","shape":[2],"data_offsets":[14,16]}}      )",
                 std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x38\x00\xc0\x00\x3c\x01\x00", 16));
}

Tensors reference_tensors() {
  return {{"half", at::tensor({0.5, -2.0, 1.0}).to(at::kHalf)},
          {"table", at::tensor({1.0f, -2.0f}).view({1, 2})},
          {"flag", at::tensor({1, 0}, at::kInt).to(at::kBool)},
          {"empty", at::zeros({0, 3})}};
}

TEST_F(SafetensorsTest, TextsInItsPlaceAreNamed) {
  EXPECT_THAT(complaint("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("a pointer of Git LFS"));
  EXPECT_THAT(complaint("<!DOCTYPE html><title>404</title>"), HasSubstr("a web page"));
}

TEST_F(SafetensorsTest, NullIsNoMetadata) {
  const Safetensors file(
      put("x",
          file_of(R"({"__metadata__":null,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", std::string(4, 0))));
  EXPECT_TRUE(file.metadata().empty());
  EXPECT_EQ(file.names(), std::vector<std::string>{"w"});
}

TEST_F(SafetensorsTest, ReadsTheReferenceLibrarysFile) {
  const Safetensors file(put("x", reference_file()));
  const Tensors expected = reference_tensors();
  EXPECT_EQ(file.names(), (std::vector<std::string>{"empty", "flag", "half", "table"}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  for (const auto& [name, tensor] : expected) {
    EXPECT_EQ(file.shape(name), tensor.sizes().vec());
    EXPECT_EQ(file.read(name).scalar_type(), tensor.scalar_type());
    EXPECT_TRUE(at::equal(file.read(name), tensor)) << name;
  }
  EXPECT_FALSE(file.contains("other"));
  EXPECT_THROW(file.read("other"), Error);
}

TEST_F(SafetensorsTest, WritesTheReferenceLibrarysBytes) {
  write_safetensors(folder_ / "y", reference_tensors());
  EXPECT_EQ(read_file(folder_ / "y"), reference_file());
}

TEST_F(SafetensorsTest, StridesAndTypesSurvive) {
  const at::Tensor turned = at::arange(6, at::kLong).view({2, 3}).t();
  Tensors tensors{{"turned", turned}, {"scalar", at::tensor(2.5)}};
  for (const auto type : {at::kDouble, at::kBFloat16, at::kInt, at::kShort, at::kChar, at::kByte})
    tensors[c10::toString(type)] = at::arange(3).to(type);
  write_safetensors(folder_ / "y", tensors);
  const Tensors again = read_safetensors(folder_ / "y");
  ASSERT_EQ(again.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(at::equal(again.at(name), tensor)) << name;
}

TEST_F(SafetensorsTest, HostileFilesAreErrors) {
  const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_EQ(complaint(one(good, 8)), "");
  EXPECT_THAT(complaint("1234"), HasSubstr("4 bytes are no safetensors file"));
  EXPECT_THAT(complaint(one(good, 7)), HasSubstr("tensor \"w\": its data ends at byte 8 of 7"));
  EXPECT_THAT(complaint(one(good, 9)), HasSubstr("1 bytes at the end belong to no tensor"));
  EXPECT_THAT(complaint(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10)), HasSubstr("is no safetensors file's"));
  EXPECT_THAT(complaint(std::string("\x00\x10\x00\x00\x00\x00\x00\x00{}", 10)), HasSubstr("the file only 10"));
  EXPECT_THAT(complaint(file_of("{\"w\":", "")), HasSubstr("no valid JSON"));
  EXPECT_THAT(complaint(file_of("[]", "")), HasSubstr("no JSON object"));
  EXPECT_THAT(complaint(file_of(std::string(100000, '['), "")), HasSubstr("no JSON object"));
  EXPECT_THAT(complaint(file_of("{\"w\":" + std::string(100000, '['), "")),
              HasSubstr("nested more than 64 levels deep"));
  EXPECT_THAT(complaint(file_of("{\"w\":3}", "")), HasSubstr("tensor \"w\""));
  EXPECT_THAT(complaint(one(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})", 8)), HasSubstr("\"F33\""));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[2]})", 8)), HasSubstr("two data_offsets"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[2],"data_offsets":[-1,8]})", 8)),
              HasSubstr("is -1: expected a whole number"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", 8)),
              HasSubstr("is 2.0: expected a whole number"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[1e999],"data_offsets":[0,8]})", 8)), HasSubstr("beyond"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", 8)), HasSubstr("before it begins"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8)),
              HasSubstr("the shape [3] of F32"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0)),
              HasSubstr("do not make the shape"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]})", 0)),
              HasSubstr("do not make the shape"));
  EXPECT_THAT(complaint(file_of("{\"w\":" + good + ",\"w\":" + good + "}", std::string(8, '\0'))),
              HasSubstr("\"w\" stands twice"));
  EXPECT_THAT(complaint(file_of("{\"v\":" + good + ",\"w\":" + good + "}", std::string(8, '\0'))),
              HasSubstr("overlaps"));
  EXPECT_THAT(complaint(one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8)),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(complaint(file_of(R"({"w":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", "\x02")),
              HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(complaint(file_of(R"({"a\n\u001b[31m":{"dtype":"","shape":[],"data_offsets":[0,0]}})", "")),
              HasSubstr(R"("a\n\u001b[31m")"));
}

TEST_F(SafetensorsTest, NumbersThatAreNotFiniteAreErrors) {
  for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16})
    for (const int64_t place : {0, 63, 1000})
      for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
        at::Tensor tensor = at::zeros({1001}, type);
        tensor[place] = value;
        write_safetensors(folder_ / "y", {{"w", tensor}});
        const Safetensors file(folder_ / "y");
        for (const int64_t first : {int64_t{0}, place}) try {
            file.read("w", first, 1001 - first);
            FAIL() << type << " " << place << " " << value;
          } catch (const Error& error) {
            EXPECT_THAT(error.what(), HasSubstr("y: tensor \"w\" holds a NaN or an infinity"));
          }
      }
  write_safetensors(folder_ / "y", {{"d", at::tensor({-1.7e308, 1.7e308})},
                                    {"f", at::tensor({-3.4e38, 3.4e38, 1e-45}).to(at::kFloat)},
                                    {"h", at::tensor({-65504.0, 65504.0}).to(at::kHalf)},
                                    {"b", at::tensor({-3.38e38, 3.38e38}).to(at::kBFloat16)}});
  EXPECT_EQ(read_safetensors(folder_ / "y").size(), 4u);
}

TEST_F(SafetensorsTest, TimeIsNotQuadraticInTheNumberOfTensors) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i)
    header += fmt::format("{}\"t{}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", i ? "," : "", i);
  const Path path = put("x", file_of(header + "}", ""));
  const auto start = std::chrono::steady_clock::now();
  const Safetensors file(path);
  EXPECT_EQ(file.names().size(), 100'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(SafetensorsTest, ReadsPartsOfATensor) {
  write_safetensors(folder_ / "y", {{"w", at::arange(12, at::kInt).view({3, 4})}, {"none", at::zeros({0, 3})}});
  const Safetensors file(folder_ / "y");
  EXPECT_TRUE(at::equal(file.read("w", 0, 12), at::arange(12, at::kInt)));
  EXPECT_TRUE(at::equal(file.read("w", 5, 3), at::arange(5, 8, at::kInt)));
  EXPECT_EQ(file.read("w", 12, 0).numel(), 0);
  EXPECT_EQ(file.read("none", 0, 0).numel(), 0);
  for (const auto& [first, count] : {std::pair{0, 13}, {12, 1}, {13, 0}, {-1, 2}, {2, -1}})
    EXPECT_THROW(file.read("w", first, count), Error) << first << " " << count;
}

// The file is read, not mapped: truncation after opening is an error, not a SIGBUS.
TEST_F(SafetensorsTest, AFileThatIsCutWhileOpenIsAnError) {
  write_safetensors(folder_ / "y", {{"w", at::zeros({1 << 16})}});
  const Safetensors file(folder_ / "y");
  std::filesystem::resize_file(folder_ / "y", 1 << 16);
  EXPECT_THROW(file.read("w"), Error);
  EXPECT_THROW(file.read("w", (1 << 16) - 1, 1), Error);
  EXPECT_NO_THROW(file.read("w", 0, 100));
}

TEST_F(SafetensorsTest, AnyDamageIsAnErrorOrAValidRead) {
  const std::string good = reference_file();
  Random random(1);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (uint64_t flips = 1 + random.below(3); flips > 0; --flips)
      bytes[random.below(bytes.size())] ^= 1 << random.below(8);
    if (i % 4 == 0) bytes.resize(random.below(bytes.size()));
    if (!complaint(bytes).empty()) ++refused;  // any other exception fails the test
  }
  EXPECT_GT(refused, 1500);
  EXPECT_LT(refused, 3000);  // flipped bits in the data are valid
}

TEST_F(SafetensorsTest, AFullDiskLeavesNothing) {
  const Tensors large{{"w", at::zeros({1 << 16})}};
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{100000, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(write_safetensors(folder_ / "y", large), Error);
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, previous);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(SafetensorsTest, AFailureWhileMakingATensorLeavesNothing) {
  const std::map<std::string, PendingTensor> pending{
      {"w", {at::kFloat, {2}, []() -> at::Tensor { throw Error("the source is cut"); }}}};
  EXPECT_THROW(write_safetensors(folder_ / "y", pending), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(SafetensorsTest, CheckpointOfOneFileAndOfShards) {
  const Tensors tensors = reference_tensors();
  EXPECT_THROW(Checkpoint{folder_}, Error);
  write_safetensors(folder_ / "model-1.safetensors", {{"half", tensors.at("half")}});
  write_safetensors(folder_ / "model-2.safetensors", {{"table", tensors.at("table")}});
  const auto index = [&](const std::string& map) {
    put("model.safetensors.index.json", R"({"weight_map":)" + map + "}");
  };
  index(R"({"half":"model-1.safetensors","table":"model-2.safetensors"})");
  const Checkpoint shards(folder_);
  EXPECT_EQ(shards.names(), (std::vector<std::string>{"half", "table"}));
  EXPECT_TRUE(at::equal(shards.read("table"), tensors.at("table")));
  EXPECT_THROW(shards.read("flag"), Error);
  for (const char* bad : {R"({"half":"model-2.safetensors"})", R"({"half":"../model-1.safetensors"})", R"({"half":3})",
                          R"({"half":"absent.safetensors"})", "3"}) {
    index(bad);
    EXPECT_THROW(Checkpoint{folder_}, Error) << bad;
  }
  std::string many = "{";
  for (int i = 0; i < 100'000; ++i) many += fmt::format("{}\"t{}\":\"model-{}.safetensors\"", i ? "," : "", i, i);
  index(many + "}");
  EXPECT_THROW(Checkpoint{folder_}, Error);  // too many shards, each an open file
  write_safetensors(folder_ / "model.safetensors", tensors);
  EXPECT_EQ(Checkpoint(folder_).names().size(), 4u);
  EXPECT_EQ(Checkpoint(folder_).shape("half"), (std::vector<int64_t>{3}));
}

}  // namespace
}  // namespace loralens
