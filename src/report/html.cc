// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <map>

#include "base/error.h"
#include "report/embedded.h"

namespace loralens {
namespace {

std::string percent_encoded(const std::string& path) {
  std::string url;
  for (const char c : path) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) || std::string_view("/-_.~").find(c) != std::string_view::npos;
    url += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return url;
}

// The skeleton with each {{name}} replaced; inserted text is not searched for names again.
std::string filled(std::string_view skeleton, const std::map<std::string, std::string, std::less<>>& parts) {
  std::string page;
  for (;;) {
    const size_t open = skeleton.find("{{");
    page += skeleton.substr(0, open);
    if (open == std::string_view::npos) return page;
    const size_t close = skeleton.find("}}", open);
    page += parts.find(skeleton.substr(open + 2, close - open - 2))->second;
    skeleton.remove_prefix(close + 2);
  }
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&': html += "&amp;"; break;
      case '<': html += "&lt;"; break;
      case '>': html += "&gt;"; break;
      case '"': html += "&quot;"; break;
      default: html += c;
    }
  }
  return html;
}

std::string json_script(const std::string& attributes, const nlohmann::json& value) {
  // '<' occurs in strings only, and "</script>" or "<!--" in one would end or change the element.
  std::string text;
  for (const char c : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
    if (c == '<')
      text += "\\u003c";
    else
      text += c;
  return fmt::format("<script type=\"application/json\" {}>{}</script>\n", attributes, text);
}

std::string html_table(const std::string& caption, const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"scroll\"><table>\n";
  if (!caption.empty()) html += fmt::format("<caption>{}</caption>\n", caption);
  html += "<thead><tr>";
  for (const auto& cell : header) html += fmt::format("<th scope=\"col\">{}</th>", cell);
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      html += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", row[i]) : fmt::format("<td>{}</td>", row[i]);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string sentences(const nlohmann::json& texts, const std::string& class_name) {
  if (texts.empty()) return "";
  if (texts.size() == 1)
    return fmt::format("<p class=\"{}\">{}</p>\n", class_name, escaped(texts[0].get<std::string>()));
  std::string html = fmt::format("<ul class=\"{}\">\n", class_name);
  for (const auto& text : texts) html += fmt::format("<li>{}</li>\n", escaped(text.get<std::string>()));
  return html + "</ul>\n";
}

std::string title_of(const std::string& name) {
  std::string title = name;
  for (char& c : title)
    if (c == '-') c = ' ';
  if (!title.empty()) title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

std::string whole_page(const std::string& title, const std::vector<ContentsEntry>& contents, const std::string& main) {
  std::string list;
  for (const auto& [anchor, name, inner] : contents)
    list += fmt::format("<li{}><a href=\"#{}\">{}</a></li>\n", inner ? " class=\"inner\"" : "", anchor, escaped(name));
  const auto text = [](std::string_view file) { return std::string(file); };
  return filled(embedded::page_html, {{"title", escaped(title)},
                                      {"css", text(embedded::page_css)},
                                      {"contents", list},
                                      {"main", main},
                                      {"vega", text(embedded::vega)},
                                      {"js", text(embedded::page_js)}});
}

std::string link_to(const Path& file, const Path& folder) {
  return percent_encoded(
      std::filesystem::absolute(file).lexically_relative(std::filesystem::absolute(folder)).generic_string());
}

std::string file_url(const Path& file) { return "file://" + percent_encoded(file.generic_string()); }

std::string figure_html(const std::string& name, const nlohmann::json& spec) {
  return fmt::format("<figure>\n<figcaption>{}</figcaption>\n<div class=\"plot\" data-figure=\"{}\"></div>\n",
                     escaped(spec.at("title").get<std::string>()), escaped(name)) +
         json_script(fmt::format("data-spec=\"{}\"", escaped(name)), spec) + "</figure>\n";
}

}  // namespace loralens
