// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/torch_file.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "base/test_folder.h"
#include "checkpoint/test_torch.h"

namespace loralens {
namespace {

using namespace test_torch;
using testing::ElementsAre;
using testing::HasSubstr;

at::Tensor counting(int64_t count) { return at::arange(count).to(at::kFloat); }
std::string bytes_of(const at::Tensor& values) {
  return {static_cast<const char*>(values.const_data_ptr()), values.nbytes()};
}

// The error of opening a file with this content and reading all its tensors.
std::string error_with(const std::string& content) {
  const TestFolder folder;
  const Path path = folder.write("a.bin", content);
  return error_of([&] {
    const TorchFile opened(path);
    for (const std::string& name : opened.names()) opened.TensorFile::read(name);
  });
}

std::string with_tensor(const std::string& opcodes, const std::string& storage = bytes_of(counting(6))) {
  return torch_zip("}" + pickled_text("a") + opcodes + "s", {{"0", storage}});
}

TEST(TorchFile, ReadsTensorsByName) {
  const TestFolder folder;
  const Tensors tensors = {{"a", counting(6).view({2, 3})}, {"b.weight", counting(4) + 7}};
  const TorchFile opened(folder.write("a.bin", state_file(tensors)));
  EXPECT_THAT(opened.names(), ElementsAre("a", "b.weight"));
  EXPECT_THAT(opened.shape("a"), ElementsAre(2, 3));
  EXPECT_EQ(opened.type("a"), at::kFloat);
  for (const auto& [name, values] : tensors) EXPECT_TRUE(at::equal(opened.TensorFile::read(name), values)) << name;
  EXPECT_TRUE(at::equal(opened.read("a", 2, 3), counting(6).narrow(0, 2, 3)));
  EXPECT_TRUE(opened.dims().empty());
  EXPECT_TRUE(is_torch_file(opened.path()));
  EXPECT_EQ(open_tensor_file(opened.path())->names().size(), 2u);
}

TEST(TorchFile, ReadsPartsOfAStorageAndTransposedTensors) {
  const TestFolder folder;
  const auto read = [&](const std::string& opcodes) {
    return TorchFile(folder.write("a.bin", with_tensor(opcodes))).TensorFile::read("a");
  };
  EXPECT_TRUE(at::equal(read(pickled_tensor("0", 6, {2, 2}, {2, 1}, 1)), counting(6).narrow(0, 1, 4).view({2, 2})));
  EXPECT_TRUE(at::equal(read(pickled_tensor("0", 6, {3, 2}, {1, 3})), counting(6).view({2, 3}).t().contiguous()));
  EXPECT_EQ(read(pickled_tensor("0", 6, {0, 5}, {5, 1})).numel(), 0);
}

TEST(TorchFile, ReadsOpenaisSizes) {
  const TestFolder folder;
  std::map<std::string, std::string> storages;
  const std::string state = state_dict({{"encoder.a", counting(3)}}, storages);
  const std::string body = "}(" + pickled_text("dims") + "}" + pickled_text("n_mels") + "K\x50s" +
                           pickled_text("model_state_dict") + state + "u";
  const TorchFile opened(folder.write("a.pt", torch_zip(body, storages)));
  EXPECT_EQ(opened.dims().at("n_mels"), 80);
  EXPECT_THAT(opened.names(), ElementsAre("encoder.a"));
}

TEST(TorchFile, NoCodeOfThePickleRuns) {
  EXPECT_THAT(error_with(torch_zip("}" + pickled_text("a") + "cos\nsystem\n(" + pickled_text("false") + "tRs", {})),
              HasSubstr("\"a\" is no tensor, but a Python object (\"os system\")"));
  EXPECT_THAT(error_with(torch_zip("cos\nsystem\n(" + pickled_text("false") + "tR", {})),
              HasSubstr("no tensors by name"));
  for (const char* opcodes : {"cos\nsystem\n(i", "(cos\nsystem\no", "cos\nsystem\n)\x81", "\x82\1", "I1\n", "S'a'\n"})
    EXPECT_THAT(error_with(torch_zip(opcodes, {})), HasSubstr("which no file of tensors contains")) << opcodes;
}

TEST(TorchFile, AStorageMustHoldItsTensor) {
  EXPECT_EQ(error_with(with_tensor(pickled_tensor("0", 6, {2, 3}, {3, 1}))), "");
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("1", 6, {6}, {1}))), HasSubstr("storage \"1\" is not in the file"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("../0", 6, {6}, {1}))), HasSubstr("is not in the file"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 5, {5}, {1}))),
              HasSubstr("has 24 bytes, which are not 5 elements"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {7}, {1}))),
              HasSubstr("does not fit its storage of 6 elements"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {6}, {1}, 1))), HasSubstr("does not fit"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {1 << 30, 1 << 30, 1 << 30}, {0, 0, 0}))),
              HasSubstr("does not fit"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {1 << 20}, {0}))), HasSubstr("does not fit"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {2}, {INT64_MAX}))), HasSubstr("does not fit"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {6}, {1}, 0, "ComplexFloatStorage"))),
              HasSubstr("not supported"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {6}, {1, 1}))), HasSubstr("do not fit"));
  EXPECT_THAT(error_with(with_tensor(pickled_tensor("0", 6, {6}, {1}), bytes_of(counting(6) / 0))), HasSubstr("NaN"));
}

TEST(TorchFile, DamagedFilesAreErrors) {
  const std::string whole = state_file({{"a", counting(6)}});
  for (size_t size = 4; size < whole.size(); ++size) EXPECT_NE(error_with(whole.substr(0, size)), "") << size;
  EXPECT_THAT(error_with(zip_of({{"archive/data.pkl", whole_pickle("}"), 8}})), HasSubstr("compressed"));
  EXPECT_THAT(error_with(zip_of({{"a", "b"}})), HasSubstr("no data.pkl"));
  EXPECT_THAT(error_with(zip_of({{"a/data.pkl", "}"}, {"a/data.pkl", "}"}})), HasSubstr("twice"));
  EXPECT_THAT(error_with(torch_zip("h\5", {})), HasSubstr("damaged"));
  EXPECT_THAT(error_with(torch_zip(pickled_text(std::string(300, 'a')) + "q\1h\1h\1\x93", {})), HasSubstr("damaged"));
  EXPECT_THAT(error_with(torch_zip(std::string(100'000, '('), {})), HasSubstr("damaged"));
  EXPECT_THAT(error_with(torch_zip(std::string(2'000'001, 'N'), {})), HasSubstr("more than 2000000 values"));
  EXPECT_THAT(error_with(std::string("\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15)),
              HasSubstr("before PyTorch 1.6"));
  EXPECT_THAT(error_with("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("a pointer of Git LFS"));
}

}  // namespace
}  // namespace loralens
