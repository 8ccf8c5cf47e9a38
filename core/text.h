// Texts in parts.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace resgrad {

/// The parts between separators, empty ones too: "a,,b" has three, "" one. They are views of
/// `text`.
std::vector<std::string_view> split(std::string_view text, char separator);

/// The number that is all of the text, as std::from_chars() reads it: no blanks and no sign of
/// plus. Nothing for another text and for a number out of the range of T.
template <class T>
std::optional<T> number_in(std::string_view text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end ? std::optional<T>(value) : std::nullopt;
}

/// The first five of what a message names, of which there may be thousands, and how many more:
/// "a, b, c, d, e and 7 more" with the separator ", ", on a line of its own if that begins one.
std::string some_of(const std::vector<std::string>& texts, std::string_view separator);

}  // namespace resgrad
