#include "train/log/terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

namespace resgrad {
namespace {

// Sets a variable of the environment, or takes it away; it comes back as it was.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* now = std::getenv(name)) before_ = now;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) { value == nullptr ? ::unsetenv(name_) : ::setenv(name_, value, 1); }
  const char* name_;
  std::optional<std::string> before_;
};

TEST_CASE("a terminal is drawn anew and coloured, unless TERM or NO_COLOR forbid it") {
  const int controller = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(controller >= 0);
  REQUIRE_EQ(::grantpt(controller), 0);
  REQUIRE_EQ(::unlockpt(controller), 0);
  std::FILE* const terminal = std::fopen(::ptsname(controller), "r+e");
  REQUIRE(terminal != nullptr);
  struct Case {
    const char *term, *no_color;
    bool redraw, colour;
  };
  for (const Case& c : {Case{"xterm", nullptr, true, true}, Case{nullptr, nullptr, true, true},
                        Case{"xterm", "", true, true}, Case{"xterm", "1", true, false},
                        Case{"dumb", nullptr, false, false}}) {
    const Variable term("TERM", c.term), no_color("NO_COLOR", c.no_color);
    CHECK_EQ(can_redraw(terminal), c.redraw);
    CHECK_EQ(can_colour(terminal), c.colour);
  }
  std::fclose(terminal);
  ::close(controller);
}

TEST_CASE("a file is neither") {
  std::FILE* const file = std::tmpfile();
  CHECK_FALSE(can_redraw(file));
  CHECK_FALSE(can_colour(file));
  std::fclose(file);
}

}  // namespace
}  // namespace resgrad
