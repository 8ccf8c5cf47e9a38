// What the fuzz targets share. libFuzzer calls LLVMFuzzerTestOneInput with bytes that it makes up;
// a target hands them to a reader and fails when that crashes, hangs, leaks or breaks a promise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "core/check.h"

namespace resgrad::fuzz {

inline void expect(bool ok, const char* promise) {
  if (ok) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

/// Calls f(); what the project throws for bad input is fine, anything else ends the program.
template <class F>
bool accepts(F&& f) {
  try {
    f();
    return true;
  } catch (const IoError&) {
  } catch (const ValueError&) {
  } catch (const ShapeError&) {
  }
  return false;
}

inline std::span<const std::byte> as_bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace resgrad::fuzz
