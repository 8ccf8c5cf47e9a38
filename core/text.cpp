#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace resgrad {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end = text.find(separator); end != text.npos; end = text.find(separator)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

std::string some_of(const std::vector<std::string>& texts, std::string_view separator) {
  constexpr std::size_t kMost = 5;
  const std::size_t shown = std::min(texts.size(), kMost);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += separator;
    text += texts[i];
  }
  if (shown < texts.size()) {
    const bool lines = separator.find('\n') != separator.npos;
    text += fmt::format("{}and {} more", lines ? separator : " ", texts.size() - shown);
  }
  return text;
}

}  // namespace resgrad
