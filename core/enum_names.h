// The names of an enumeration's values, as flags and files spell them: one table beside the
// enumeration, from which text is read, written and listed.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"

namespace resgrad {

template <class E>
struct EnumName {
  const char* name;
  E value;
};

template <class E, std::size_t N>
using EnumNames = std::array<EnumName<E>, N>;

/// The name of a value that is in the table.
template <class E, std::size_t N>
constexpr const char* name_in(const EnumNames<E, N>& table, E value) {
  return std::ranges::find(table, value, &EnumName<E>::value)->name;
}

/// All names of a table: `names_in<kStemNames>()`.
template <const auto& table>
std::vector<std::string> names_in() {
  std::vector<std::string> names;
  for (const auto& entry : table) names.emplace_back(entry.name);
  return names;
}

/// Throws  ValueError that lists the names, for a text that is none of them; `what` begins it.
template <class E, std::size_t N>
E parse_in(const EnumNames<E, N>& table, std::string_view what, std::string_view text) {
  std::vector<std::string_view> names;
  for (const EnumName<E>& entry : table) {
    if (entry.name == text) return entry.value;
    names.emplace_back(entry.name);
  }
  throw ValueError(
      fmt::format("{}: expected one of {}, got {}", what, fmt::join(names, ", "), text));
}

}  // namespace resgrad
