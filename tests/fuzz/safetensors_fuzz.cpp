// Weights files: header and data. What is accepted can be written and is then the same.
#include "tests/fuzz/support.h"
#include "train/io/safetensors.h"

using namespace resgrad;
using namespace resgrad::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  TensorFile file;
  if (!accepts([&] { file = parse_safetensors(as_bytes(data, size), "input"); })) return 0;
  const std::vector<std::byte> once = serialise_safetensors(file);
  const std::vector<std::byte> twice = serialise_safetensors(parse_safetensors(once, "written"));
  expect(once == twice, "what was written reads and writes as the same bytes");
  return 0;
}
