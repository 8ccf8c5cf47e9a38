#include "data/cifar.h"

#include <fstream>

#include "core/check.h"

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

constexpr int kCoarseClasses = 20;

// `folder` or the part of it named `child`, whichever holds `file`.
fs::path locate(const char* op, const fs::path& folder, const char* child, const char* file) {
  std::error_code error;
  require<IoError>(fs::is_directory(folder, error), "{}: {}: expected a folder, found none", op,
                   folder.string());
  if (fs::exists(folder / file, error)) return folder;
  if (fs::exists(folder / child / file, error)) return folder / child;
  throw IoError(fmt::format("{}: {}: expected {} in it or in {}, found none", op, folder.string(),
                            file, child));
}

std::vector<std::byte> read_exactly(const char* op, const fs::path& file, std::uintmax_t size) {
  std::error_code error;
  const std::uintmax_t actual = fs::file_size(file, error);
  require<IoError>(!error, "{}: {}: expected a file, got: {}", op, file.string(), error.message());
  require<IoError>(actual == size, "{}: {}: expected {} bytes, got {}", op, file.string(), size,
                   actual);
  std::vector<std::byte> bytes(size);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  require<IoError>(in.good(), "{}: {}: expected to read {} bytes, got {}", op, file.string(), size,
                   in.gcount());
  return bytes;
}

// The lines of a file of names, or `fallback` unless there are as many as classes.
std::vector<std::string> class_names(const fs::path& file, std::vector<std::string> fallback) {
  std::ifstream in(file);
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  return names.size() == fallback.size() ? names : fallback;
}

void append_file(const char* op, Dataset& dataset, const fs::path& file, std::int64_t images,
                 std::int64_t label_bytes) {
  const std::int64_t record = label_bytes + dataset.image_bytes();
  append_records(dataset, read_exactly(op, file, static_cast<std::uintmax_t>(images * record)),
                 label_bytes, fmt::format("{}: {}", op, file.string()));
}

}  // namespace

void append_records(Dataset& dataset, std::span<const std::byte> bytes, std::int64_t label_bytes,
                    const std::string& file) {
  const auto labels = static_cast<std::size_t>(label_bytes);
  const std::size_t record = labels + static_cast<std::size_t>(dataset.image_bytes());
  require<IoError>(bytes.size() % record == 0, "{}: expected a multiple of {} bytes, got {}", file,
                   record, bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += record) {
    const auto label = std::to_integer<int>(bytes[at + labels - 1]);
    require<IoError>(label < dataset.num_classes,
                     "{}: record {}: expected a label in [0, {}), got {}", file, at / record,
                     dataset.num_classes, label);
    if (label_bytes == 2) {
      const auto coarse = std::to_integer<int>(bytes[at]);
      require<IoError>(coarse < kCoarseClasses,
                       "{}: record {}: expected a coarse label in [0, {}), got {}", file,
                       at / record, kCoarseClasses, coarse);
    }
    dataset.labels.push_back(static_cast<std::uint8_t>(label));
    const auto* image = reinterpret_cast<const std::uint8_t*>(bytes.data() + at + labels);
    dataset.images.insert(dataset.images.end(), image, image + dataset.image_bytes());
  }
}

Dataset load_cifar10(const fs::path& folder, Split split) {
  const fs::path at = locate("cifar10", folder, "cifar-10-batches-bin", "test_batch.bin");
  Dataset dataset{.name = "cifar10"};
  dataset.class_names = class_names(
      at / "batches.meta.txt",
      {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"});
  if (split == Split::test) {
    append_file("cifar10", dataset, at / "test_batch.bin", 10000, 1);
  } else {
    for (int batch = 1; batch <= 5; ++batch) {
      append_file("cifar10", dataset, at / fmt::format("data_batch_{}.bin", batch), 10000, 1);
    }
  }
  return dataset;
}

Dataset load_cifar100(const fs::path& folder, Split split) {
  const fs::path at = locate("cifar100", folder, "cifar-100-binary", "test.bin");
  Dataset dataset{
      .name = "cifar100", .images = {}, .labels = {}, .num_classes = 100, .class_names = {}};
  std::vector<std::string> numbered;
  for (int c = 0; c < dataset.num_classes; ++c) numbered.push_back(fmt::format("class {}", c));
  dataset.class_names = class_names(at / "fine_label_names.txt", numbered);
  const bool test = split == Split::test;
  append_file("cifar100", dataset, at / (test ? "test.bin" : "train.bin"), test ? 10000 : 50000, 2);
  return dataset;
}

}  // namespace resgrad::data
