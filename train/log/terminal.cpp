#include "train/log/terminal.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace resgrad {
namespace {

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

}  // namespace

bool can_redraw(std::FILE* stream) {
  return ::isatty(::fileno(stream)) == 1 && environment("TERM") != "dumb";
}

bool can_colour(std::FILE* stream) {
  return can_redraw(stream) && environment("NO_COLOR").empty();
}

}  // namespace resgrad
