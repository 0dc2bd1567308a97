// SPDX-License-Identifier: Apache-2.0
#include "analysis/retention/words.h"

#include <fmt/format.h>

#include "analysis/curves.h"
#include "analysis/words/interval_words.h"

namespace loralens {
namespace {

const Row* find(const Findings& findings, const char* model, const char* variant, const char* metric,
                const char* component = "") {
  return find_row(findings.rows, {.model = model, .variant = variant, .component = component, .metric = metric});
}

void add_reading(Findings& findings) {
  const Row *changed = find(findings, "adapted", "frozen-transcript", "changed"),
            *words = find(findings, "adapted", "frozen-transcript", "word_error_rate"),
            *tokens = find(findings, "adapted", "frozen-transcript", "token_error_rate");
  if (!changed || !words || !tokens) return;
  findings.reading.push_back(fmt::format(
      "The model's own decoder writes other words from the adapted than from the frozen encoder in {} of the clips: a "
      "word error rate of {} and a token error rate of {} with the frozen transcripts as reference.",
      percent_words(*changed, 1), percent_words(*words, 1), percent_words(*tokens, 1)));
  const Row *adapted = find(findings, "adapted", "text", "word_error_rate"),
            *frozen = find(findings, "frozen", "text", "word_error_rate"),
            *difference = find(findings, "adapted-frozen", "text", "word_error_rate");
  if (adapted && frozen && difference) {
    std::string text = fmt::format(
        "Against the table's texts the word error rate is {} adapted and {} frozen, a difference of {:+.1f} points",
        percent_words(*adapted, 1), percent_words(*frozen, 1), 100 * difference->value);
    if (has_interval(*difference))
      text += fmt::format(" (95 % interval {:+.1f} to {:+.1f}){}", 100 * difference->low, 100 * difference->high,
                          differs_from_zero(*difference) ? "" : ": whether adaptation changes it cannot be told");
    findings.reading.push_back(text + ".");
  }
  if (const Row* kept = find(findings, "adapted", "", "r_squared", "states"))
    findings.reading.push_back(
        fmt::format("The adapted encoder's final states explain {:.3f}{} of the variance of the frozen ones (R², mean "
                    "over clips; 1: unchanged, below 0: farther away than each clip's mean).",
                    kept->value, interval_words(*kept, false)));
}

}  // namespace

void describe_retention(Findings& findings) {
  findings.measures =
      "Transcripts that the checkpoint's own decoder writes from the adapted and from the frozen encoder (greedy, "
      "clips padded to 30 s), and how much of the frozen encoder's final states is left.";
  findings.source = "Radford et al., 2022 (decoder); word error rate by edit distance";
  findings.caveat =
      "Rates are means over clips, not total edits over total words, and one endless repetition can dominate them. "
      "Words are compared without case and punctuation. Acted, emotional speech with a few sentences is no benchmark "
      "of recognition. A run that was trained on speech without padding is tested here on padded input.";
  if (findings.rows.empty()) return;
  add_reading(findings);
  Figure rates{
      .name = "retention-rates", .title = "Word error rate of the decoder's transcripts", .kind = Figure::Kind::bars};
  rates.where = {{"metric", {"word_error_rate"}}, {"model", {"adapted", "frozen"}}};
  rates.x = "variant";
  rates.x_title = "reference";
  rates.y_title = "edits per word";
  findings.figures = {rates};
}

}  // namespace loralens
