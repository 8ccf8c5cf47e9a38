#include "train/log/terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

namespace resgrad {
namespace {

TEST_CASE("a terminal is drawn anew and coloured as far as its style has it") {
  const int controller = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(controller >= 0);
  REQUIRE_EQ(::grantpt(controller), 0);
  REQUIRE_EQ(::unlockpt(controller), 0);
  std::FILE* const terminal = std::fopen(::ptsname(controller), "r+e");
  REQUIRE(terminal != nullptr);
  const TerminalStyle before = terminal_style();
  CHECK(before.redraw);
  CHECK(before.colour);
  for (const bool redraw : {true, false}) {
    for (const bool colour : {true, false}) {
      set_terminal_style({.redraw = redraw, .colour = colour});
      CHECK_EQ(can_redraw(terminal), redraw);
      CHECK_EQ(can_colour(terminal), redraw && colour);
    }
  }
  set_terminal_style(before);
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
