#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

namespace resgrad::testing {

/// While it lives, the process is without the rights of root, who may read and write everything.
class AsNobody {
 public:
  AsNobody() {
    if (user_ == 0) REQUIRE(seteuid(65534) == 0);
  }
  ~AsNobody() {
    if (user_ == 0) CHECK(seteuid(0) == 0);
  }

 private:
  const uid_t user_ = geteuid();
};

}  // namespace resgrad::testing
