// A limit for texts whose parsers call themselves for each level of nesting.
#pragma once

#include <string_view>

namespace resgrad {

/// The deepest that values of JSON and TOML may be nested, far deeper than a file of ours is. The
/// libraries copy, print and (TOML) parse them by recursion, which a long text of brackets would
/// drive off the end of the stack.
inline constexpr int kMostNested = 100;

/// Whether more `[` and `{` than that are open anywhere in a text, or a name has more parts, which
/// dots separate in TOML. What is in quotes counts as well.
bool is_nested_too_deeply(std::string_view text);

}  // namespace resgrad
