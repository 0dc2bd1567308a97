// SPDX-License-Identifier: Apache-2.0
#include "compute/processor.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

TEST(Processor, TakesTheHighestLevelWhereTheVariableIsNotSet) {
  EXPECT_EQ(level_of(nullptr, ProcessorLevel::avx512), ProcessorLevel::avx512);
  EXPECT_EQ(level_of("", ProcessorLevel::avx512_bf16), ProcessorLevel::avx512_bf16);
}

TEST(Processor, TakesALowerLevelByName) {
  EXPECT_EQ(level_of("generic", ProcessorLevel::avx512_bf16), ProcessorLevel::generic);
  EXPECT_EQ(level_of("avx2", ProcessorLevel::avx512_bf16), ProcessorLevel::avx2);
  EXPECT_EQ(level_of("avx512", ProcessorLevel::avx512_bf16), ProcessorLevel::avx512);
  EXPECT_EQ(level_of("avx512-bf16", ProcessorLevel::avx512_bf16), ProcessorLevel::avx512_bf16);
}

TEST(Processor, TheLevelsOfArmAreGenericAndNeon) {
  EXPECT_EQ(level_of("generic", ProcessorLevel::neon), ProcessorLevel::generic);
  EXPECT_EQ(level_of("neon", ProcessorLevel::neon), ProcessorLevel::neon);
}

TEST(Processor, RefusesALevelThatTheProcessorLacks) {
  EXPECT_EQ(error_of([] { level_of("avx512", ProcessorLevel::generic); }),
            "LORALENS_PROCESSOR=avx512: this processor lacks it: choose generic or lower");
  EXPECT_EQ(error_of([] { level_of("neon", ProcessorLevel::avx512); }),
            "LORALENS_PROCESSOR=neon: this processor lacks it: choose avx512 or lower");
  EXPECT_EQ(error_of([] { level_of("avx2", ProcessorLevel::neon); }),
            "LORALENS_PROCESSOR=avx2: this processor lacks it: choose neon or lower");
}

TEST(Processor, RefusesAnUnknownName) {
  EXPECT_EQ(error_of([] { level_of("avx", ProcessorLevel::avx512_bf16); }),
            "LORALENS_PROCESSOR=avx: choose generic, neon, avx2, avx512 or avx512-bf16");
}

TEST(Processor, IsNeverAboveTheHighestLevel) { EXPECT_LE(processor_level(), highest_processor_level()); }

}  // namespace
}  // namespace loralens
