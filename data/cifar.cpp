#include "data/cifar.h"

#include <fstream>

#include "core/check.h"
#include "data/class_names.h"

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

constexpr int kCoarseClasses = 20;

// `folder` or the part of it named `child`, whichever holds `file`.
fs::path locate(const char* op, const fs::path& folder, const char* child,
                const std::string& file) {
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
std::vector<std::string> names_in(const fs::path& file, std::vector<std::string> fallback) {
  std::ifstream in(file);
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  return names.size() == fallback.size() ? names : fallback;
}

// Where the files of one version of CIFAR lie and how they are made up.
struct Source {
  const char* op;
  std::vector<std::string> files;
  std::int64_t images_per_file, label_bytes;
};

void append_files(Dataset& dataset, const fs::path& folder, const Source& source) {
  const std::int64_t images = std::ssize(source.files) * source.images_per_file;
  const std::int64_t record = source.label_bytes + dataset.image_bytes();
  dataset.images.reserve(static_cast<std::size_t>(images * dataset.image_bytes()));
  dataset.labels.reserve(static_cast<std::size_t>(images));
  for (const std::string& file : source.files) {
    const auto bytes = read_exactly(source.op, folder / file,
                                    static_cast<std::uintmax_t>(source.images_per_file * record));
    append_records(dataset, bytes, source.label_bytes,
                   fmt::format("{}: {}", source.op, (folder / file).string()));
  }
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
  Source source{
      .op = "cifar10", .files = {"test_batch.bin"}, .images_per_file = 10000, .label_bytes = 1};
  if (split == Split::train) {
    source.files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                    "data_batch_5.bin"};
  }
  const fs::path at = locate(source.op, folder, "cifar-10-batches-bin", source.files[0]);
  Dataset dataset{.name = "cifar10"};
  dataset.class_names =
      names_in(at / "batches.meta.txt", class_names(dataset.name, dataset.num_classes));
  append_files(dataset, at, source);
  return dataset;
}

Dataset load_cifar100(const fs::path& folder, Split split) {
  const bool test = split == Split::test;
  const Source source{.op = "cifar100",
                      .files = {test ? "test.bin" : "train.bin"},
                      .images_per_file = test ? 10000 : 50000,
                      .label_bytes = 2};
  const fs::path at = locate(source.op, folder, "cifar-100-binary", source.files[0]);
  Dataset dataset{
      .name = "cifar100", .images = {}, .labels = {}, .num_classes = 100, .class_names = {}};
  dataset.class_names =
      names_in(at / "fine_label_names.txt", class_names(dataset.name, dataset.num_classes));
  append_files(dataset, at, source);
  return dataset;
}

}  // namespace resgrad::data
