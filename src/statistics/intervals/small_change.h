// SPDX-License-Identifier: Apache-2.0
// Confidence interval of a small change of accuracy that few clips show, such as the erasure of a layer that hardly
// matters. It combines, by the method of Zou and Donner (Statistics in Medicine 27, 2008), the intervals of two shares:
// of the clips that become wrong and of those that become right. These are Wilson's score intervals (JASA 22, 1927)
// with the effective number of clips of clustered data.
#pragma once

#include <cstdint>
#include <span>

#include "statistics/bootstrap.h"
#include "statistics/intervals/or_reason.h"

namespace loralens {

// One speaker's clips: those that are right before the change and wrong after it, those that are wrong before and right
// after, and all. Several runs are summed.
struct ChangedClips {
  int64_t lost = 0, gained = 0, clips = 0;
};

// Fewest clips, lost and gained together, for which an interval is given: with fewer its coverage is far above nominal.
constexpr int64_t fewest_changed = 10;

// Interval of the drop (lost - gained) / clips, all speakers pooled: the expected drop on new speakers, given the run.
// For each share, with its jackknife variance V over speakers and the variance B of independent clips: score interval
// for clips / max(1, V/B) clips, with Student's t of S - 1 degrees of freedom. No value for fewer than fewest_speakers
// or fewer than fewest_changed clips. Error for counts that are negative or add up to more than the clips, or a speaker
// without clips.
OrReason<Interval> small_change_interval(std::span<const ChangedClips> speakers, double level = 0.95);

}  // namespace loralens
