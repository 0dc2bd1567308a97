// SPDX-License-Identifier: Apache-2.0
#include "fuzz/bytes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

namespace loralens::fuzz {
namespace {

constexpr uint64_t odd_values[] = {0,         1,          2,          127,       128,        255,        256,
                                   32767,     32768,      65535,      65536,     0x7fffffff, 0x80000000, 0xffffffff,
                                   100000000, 0xfffffff0, 1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX, 1ull << 53};

// A random position in [0, size]: half of them uniform, half near the start.
size_t place(size_t size, Random& random) {
  if (size == 0 || random.below(2)) return random.below(size + 1);
  return static_cast<size_t>(std::exp2(random.uniform(0, std::log2(static_cast<double>(size) + 1)))) - 1;
}

// A random length in [1, most], mostly short; 0 if most is 0.
size_t length(size_t most, Random& random) {
  return most == 0 ? 0
                   : 1 + static_cast<size_t>(std::exp2(random.uniform(0, std::log2(static_cast<double>(most))))) % most;
}

void write_number(std::string& bytes, Random& random) {
  const size_t width = size_t{1} << random.below(4), at = place(bytes.size(), random);
  if (bytes.size() < width || at > bytes.size() - width) return;
  uint64_t value = pick(odd_values, random);
  if (random.below(4) == 0) {  // a number nearby
    value = 0;
    std::memcpy(&value, &bytes[at], width);
    value += random.below(9) - 4;
  }
  char raw[8];
  std::memcpy(raw, &value, sizeof raw);
  if (random.below(2)) std::reverse(raw, raw + width);
  bytes.replace(at, width, raw, width);
}

void flip_bits(std::string& bytes, Random& random) {
  for (uint64_t i = 0, count = 1 + random.below(8); i < count && !bytes.empty(); ++i) {
    char& c = bytes[std::min(place(bytes.size(), random), bytes.size() - 1)];
    c = static_cast<char>(c ^ (1 << random.below(8)));
  }
}

std::string random_bytes(size_t count, Random& random) {
  std::string bytes(count, '\0');
  for (char& c : bytes) c = static_cast<char>(random.below(256));
  return bytes;
}

void mutate_once(std::string& bytes, Random& random, const std::string& donor) {
  const size_t at = place(bytes.size(), random), rest = bytes.size() - at;
  switch (random.below(12)) {
    case 0:
    case 1: return flip_bits(bytes, random);
    case 2:
    case 3: return write_number(bytes, random);
    case 4: return bytes.resize(at);
    case 5: bytes.insert(at, random_bytes(length(64, random), random)); return;
    case 6:
      bytes.insert(place(bytes.size(), random), bytes.substr(at, length(rest, random)));
      return;  // repeats a stretch
    case 7: bytes.erase(at, length(rest, random)); return;
    case 8: bytes.insert(at, donor.substr(place(donor.size(), random), length(4096, random))); return;
    case 9: {  // the rest of another file
      const std::string tail = donor.substr(std::min(place(donor.size(), random), donor.size()));
      bytes = bytes.substr(0, at) + tail;
      return;
    }
    case 10: {
      const char fill = pick("\0\xff\x7f 0\n", random);
      std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), length(rest, random), fill);
      return;
    }
    default: bytes += random.below(4) ? random_bytes(length(64, random), random) : bytes;
  }
}

}  // namespace

void mutate_bytes(std::string& bytes, Random& random, const std::string& donor) {
  for (uint64_t i = 0, count = 1 + random.below(4); i < count; ++i) mutate_once(bytes, random, donor);
}

std::string odd_number(Random& random) {
  static const char* const numbers[] = {"0",
                                        "-0",
                                        "1",
                                        "-1",
                                        "2",
                                        "3",
                                        "7",
                                        "0.5",
                                        "-0.5",
                                        "1e-320",
                                        "1e308",
                                        "-1e308",
                                        "1e400",
                                        "-1e400",
                                        "nan",
                                        "NaN",
                                        "-nan",
                                        "inf",
                                        "-inf",
                                        "Infinity",
                                        "-Infinity",
                                        "2147483647",
                                        "2147483648",
                                        "-2147483648",
                                        "-2147483649",
                                        "4294967295",
                                        "4294967296",
                                        "9007199254740993",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "1000000000000000000000000000000",
                                        "0x10",
                                        "1_000",
                                        "1,5",
                                        "1.2.3",
                                        "1e",
                                        ".5",
                                        "5.",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1e-5",
                                        "0.1",
                                        "0.9999999999999999",
                                        "1.0000000000000002",
                                        "100",
                                        "1500",
                                        "1501",
                                        "01",
                                        "١"};
  return pick(numbers, random);
}

std::string odd_text(Random& random) {
  static const std::string texts[] = {"",
                                      " ",
                                      "  a",
                                      "a ",
                                      "a",
                                      "\t",
                                      ",",
                                      ";",
                                      "\"",
                                      "\"\"",
                                      "'",
                                      "\\",
                                      "a\"b",
                                      "a,b",
                                      "a\nb",
                                      "a\r\nb",
                                      "#",
                                      "=",
                                      "*",
                                      "[",
                                      "{",
                                      "]",
                                      "null",
                                      "true",
                                      "../clips.csv",
                                      "/",
                                      "/dev/null",
                                      ".",
                                      "..",
                                      "~",
                                      "-",
                                      "--",
                                      "-1",
                                      "a/b",
                                      "a#0-1",
                                      "a.wav#0.1-0.2",
                                      "ang=anger",
                                      "\xff",
                                      "\xc3",
                                      "M\xfcller",
                                      "M\xc3\xbcller",
                                      "Mu\xcc\x88ller",
                                      "\xe2\x80\xae"
                                      "abc",
                                      "\xed\xa0\x80",
                                      "\xf0\x9f\x98\x80",
                                      "\xef\xbb\xbf",
                                      "ANGER",
                                      "Anger ",
                                      "<script>alert(1)</script>",
                                      "%s%n",
                                      "{}",
                                      "{0}",
                                      "(a+)+$",
                                      "(",
                                      "\\Z",
                                      "(?i)x",
                                      "[a-z]{1,1000}",
                                      std::string("a\0b", 3),
                                      std::string(300, 'x'),
                                      std::string(70000, 'y'),
                                      std::string(5000, '(')};
  return pick(texts, random);
}

std::string nested(size_t count, char open, char close) { return std::string(count, open) + std::string(count, close); }

}  // namespace loralens::fuzz
