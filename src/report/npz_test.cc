// SPDX-License-Identifier: Apache-2.0
#include "report/npz.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

TEST(Npz, CrcIsThatOfTheStandardsCheckWord) { EXPECT_EQ(crc32("123456789"), 0xCBF43926u); }

// The layout of NumPy's format 1.0, byte by byte: magic, version, length, text padded to 64, then the values.
TEST(Npz, AMemberIsAnNpyOfFormatOne) {
  const std::string npy = format_npy({"a", at::arange(6, at::kLong).reshape({2, 3})});
  EXPECT_EQ(npy.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(npy.substr(10, 58), "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), ");
  EXPECT_EQ(npy[127], '\n');
  ASSERT_EQ(npy.size(), 128u + 6 * 8);
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(npy[128 + 8 * i], static_cast<char>(i));
}

TEST(Npz, ShapesAreWrittenAsPythonTuples) {
  EXPECT_THAT(format_npy({"a", at::zeros({5})}), HasSubstr("'<f4', 'fortran_order': False, 'shape': (5,), "));
  EXPECT_THAT(format_npy({"a", at::zeros({}, at::kDouble)}), HasSubstr("'<f8', 'fortran_order': False, 'shape': (), "));
  EXPECT_THAT(format_npy({"a", at::zeros({0, 2})}), HasSubstr("'shape': (0, 2), "));
}

TEST(Npz, ATransposedTensorIsWrittenInCOrder) {
  const auto x = at::arange(6, at::kFloat).reshape({2, 3});
  EXPECT_EQ(format_npy({"a", x.t()}), format_npy({"a", x.t().contiguous()}));
  EXPECT_NE(format_npy({"a", x.t()}).substr(128), format_npy({"a", x}).substr(128));
}

TEST(Npz, TheArchiveNamesItsMembers) {
  const std::string zip = format_npz({{"adapted/A", at::zeros({2})}, {"adapted/B", at::zeros({3})}});
  EXPECT_EQ(zip.substr(0, 4), "PK\x03\x04");
  EXPECT_EQ(zip.substr(30, 13), "adapted/A.npy");
  const size_t member = 30 + 13 + 128;
  EXPECT_EQ(zip.substr(member + 8, 4), "PK\x03\x04");
  // The end record: two members, and where their directory starts.
  const std::string end = zip.substr(zip.size() - 22);
  EXPECT_EQ(end.substr(0, 4), "PK\x05\x06");
  EXPECT_EQ(end[8], 2);
  EXPECT_EQ(end[10], 2);
  size_t start = 0;
  for (int i = 3; i >= 0; --i) start = start << 8 | static_cast<unsigned char>(end[16 + i]);
  EXPECT_EQ(zip.substr(start, 4), "PK\x01\x02");
}

TEST(Npz, RefusesWhatItCannotHold) {
  EXPECT_THAT(error_of([] { format_npz({{"a", at::zeros({1}, at::kInt)}}); }), HasSubstr("array 'a' is of type Int"));
  EXPECT_THAT(error_of([] { format_npz({{"a", at::zeros({1})}, {"a", at::zeros({1})}}); }),
              HasSubstr("two arrays named 'a'"));
  EXPECT_THAT(error_of([] { format_npz({{"", at::zeros({1})}}); }), HasSubstr("needs a name"));
  // An expanded tensor: 4 GiB without memory.
  EXPECT_THAT(error_of([] { format_npz({{"a", at::zeros({1}).expand({int64_t{1} << 30})}}); }), HasSubstr("4 GiB"));
  EXPECT_THAT(error_of([] { format_npz(std::vector<NamedArray>(65536, {"a", at::zeros({1})})); }), HasSubstr("65535"));
}

}  // namespace
}  // namespace loralens
