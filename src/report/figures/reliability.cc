// SPDX-License-Identifier: Apache-2.0
#include "report/figures/reliability.h"

#include "report/figures/charts.h"
#include "report/rounded.h"

namespace loralens {

using nlohmann::json;

json reliability_figure(const std::vector<std::pair<std::string, json>>& runs) {
  json values = json::array();
  for (const auto& [name, metrics] : runs)
    for (const json& bin : metrics.contains("calibration") ? metrics.at("calibration").at("bins") : json::array())
      if (bin.at("predictions") > 0)
        values.push_back({{"run", name},
                          {"confidence", rounded(bin.at("confidence"), 4)},
                          {"value", rounded(bin.at("accuracy"), 4)},
                          {"n", bin.at("predictions")}});
  if (values.empty()) return nullptr;
  Figure figure;
  figure.title = "Reliability: accuracy of the predictions at each confidence";
  figure.x = "confidence";
  figure.x_title = "confidence in the predicted class (mean of each of 15 bins)";
  figure.y_title = "accuracy";
  figure.color = "run";
  json spec = chart(figure, values);
  const json whole = {{"domain", {0, 1}}};
  spec["encoding"]["x"]["scale"] = spec["encoding"]["y"]["scale"] = whole;
  spec["layer"].push_back(
      {{"data", {{"values", {{{"confidence", 0}, {"value", 0}}, {{"confidence", 1}, {"value", 1}}}}}},
       {"mark", {{"type", "line"}, {"strokeDash", {4, 3}}, {"strokeWidth", 1}, {"tooltip", nullptr}}},
       {"encoding", {{"y", {{"field", "value"}, {"type", "quantitative"}}}, {"color", {{"value", "#8C8C8C"}}}}}});
  return spec;
}

}  // namespace loralens
