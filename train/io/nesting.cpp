#include "train/io/nesting.h"

namespace resgrad {

bool is_nested_too_deeply(std::string_view text) {
  int open = 0, dots = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') ++open;
    if ((c == ']' || c == '}') && open > 0) --open;
    if (c == '.') ++dots;
    if (c == '=' || c == ',' || c == '\n') dots = 0;
    if (open > kMostNested || dots > kMostNested) return true;
  }
  return false;
}

}  // namespace resgrad
