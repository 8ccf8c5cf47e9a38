// Metadata of checkpoints: the input is lines of a key, `=` and its value. The file around them
// would have a wrong checksum, and is that of the target safetensors.
#include "core/tensor.h"
#include "data/normalise.h"
#include "tests/fuzz/support.h"
#include "train/checkpoint.h"
#include "train/cli/network.h"
#include "train/io/safetensors.h"
#include "train/run_record.h"

using namespace resgrad;
using namespace resgrad::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Tensor bias = Tensor::ones({2});
  TensorFile file{.tensors = {{"model.fc.bias", bias}}, .checksum = true};
  for (std::string_view text = as_text(data, size); !text.empty();) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const std::size_t equals = std::min(line.find('='), line.size());
    file.metadata[std::string(line.substr(0, equals))] =
        line.substr(std::min(equals + 1, line.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  Checkpoint checkpoint;
  if (!accepts([&] { checkpoint = parse_checkpoint(file, "input"); })) return 0;
  accepts([&] { cli::network_of(checkpoint.info); });
  accepts([&] { data::normalisation(checkpoint.info.normalisation); });
  if (checkpoint.state) accepts([&] { from_json(checkpoint.state->settings); });
  return 0;
}
