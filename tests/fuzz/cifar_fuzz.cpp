// Records of CIFAR files: one byte for the form, then records of tiny images.
#include "data/cifar.h"
#include "tests/fuzz/support.h"

using namespace resgrad;
using namespace resgrad::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  data::Dataset dataset;
  dataset.num_classes = data[0] & 1 ? 100 : 10;
  dataset.height = 1 + (data[0] >> 1 & 3);
  dataset.width = 1 + (data[0] >> 3 & 3);
  const std::int64_t labels = data[0] & 1 ? 2 : 1;
  accepts([&] { data::append_records(dataset, as_bytes(data + 1, size - 1), labels, "input"); });
  expect(std::ssize(dataset.images) == std::ssize(dataset.labels) * dataset.image_bytes(),
         "an image for each label, also after an error");
  for (const std::int64_t label : dataset.labels) {
    expect(label >= 0 && label < dataset.num_classes, "labels are those of the classes");
  }
  return 0;
}
