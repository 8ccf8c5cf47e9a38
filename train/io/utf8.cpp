#include "train/io/utf8.h"

#include <nlohmann/json.hpp>
#include <sstream>

namespace resgrad {

bool is_utf8(const std::string& text) {
  try {
    nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

int line_not_utf8(const std::string& text) {
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!is_utf8(line)) return number;
  }
  return 0;
}

}  // namespace resgrad
