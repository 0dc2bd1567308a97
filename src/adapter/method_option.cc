// SPDX-License-Identifier: Apache-2.0
#include "adapter/method_option.h"

#include "base/text.h"

namespace loralens {

template <typename Number>
std::map<std::string, Number> parse_numbers_by_module(const std::string& name, const std::string& text,
                                                      const Range<Number>& range) {
  std::map<std::string, Number> numbers;
  for (const std::string& part : split(text)) {
    const size_t equals = part.rfind('=');
    if (equals == std::string::npos) fail("--{} {}: '{}' is not of the form module=number", name, text, part);
    const auto value = parse_number<Number>(std::string_view(part).substr(equals + 1));
    if (!value || !range.contains(*value))
      fail("--{} {}: the number of '{}' is out of range: choose {}", name, text, part, range.text());
    numbers[part.substr(0, equals)] = *value;
  }
  return numbers;
}

template std::map<std::string, int64_t> parse_numbers_by_module(const std::string&, const std::string&,
                                                                const Range<int64_t>&);
template std::map<std::string, double> parse_numbers_by_module(const std::string&, const std::string&,
                                                               const Range<double>&);

}  // namespace loralens
