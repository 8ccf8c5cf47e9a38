// Texts in parts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace resgrad {

/// The parts between separators, empty ones too: "a,,b" has three, "" one. They are views of
/// `text`.
std::vector<std::string_view> split(std::string_view text, char separator);

/// The first five of what a message names, of which there may be thousands, and how many more:
/// "a, b, c, d, e and 7 more" with the separator ", ", on a line of its own if that begins one.
std::string some_of(const std::vector<std::string>& texts, std::string_view separator);

}  // namespace resgrad
