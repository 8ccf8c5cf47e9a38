#include "train/io/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <protozero/pbf_builder.hpp>

namespace resgrad {
namespace {

using protozero::pbf_builder;

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::filesystem::path new_path(const std::filesystem::path& folder) {
  static std::atomic<unsigned> count = 0;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') host = {"localhost"};
  return folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}",
                              static_cast<std::int64_t>(wall_time()), host.data(), ::getpid(),
                              count++);
}

// The fields of the messages, by their numbers in tensorflow/core/util/event.proto and
// tensorflow/core/framework/summary.proto.
using Tag = protozero::pbf_tag_type;
enum class Event : Tag { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 };
enum class Summary : Tag { value = 1 };
enum class Value : Tag { tag = 1, simple_value = 2 };
enum class SessionLog : Tag { status = 1 };
constexpr std::int32_t kSessionStart = 1;

// A message that is under way in `bytes`.
pbf_builder<Event> new_event(std::string& bytes) {
  pbf_builder<Event> event(bytes);
  event.add_double(Event::wall_time, wall_time());
  return event;
}

// Little endian.
template <class T>
void put_fixed(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(value >> (8 * i) & 0xff);
  }
}

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0U);
    table[byte] = crc;
  }
  return table;
}();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes)
    crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8U;
}

EventFile::EventFile(const std::filesystem::path& folder, std::int64_t first_step)
    : path_(new_path(folder)), file_("events", path_) {
  std::string version;
  new_event(version).add_string(Event::file_version, "brain.Event:2");
  append_record(version);
  if (first_step <= 0) return;
  std::string bytes;
  pbf_builder<Event> start = new_event(bytes);
  start.add_int64(Event::step, first_step);
  pbf_builder<SessionLog>(start, Event::session_log).add_enum(SessionLog::status, kSessionStart);
  append_record(bytes);
}

void EventFile::append(std::int64_t step, const std::vector<Scalar>& scalars) {
  std::string bytes;
  pbf_builder<Event> event = new_event(bytes);
  event.add_int64(Event::step, step);
  {
    pbf_builder<Summary> summary(event, Event::summary);
    for (const Scalar& scalar : scalars) {
      pbf_builder<Value> value(summary, Summary::value);
      value.add_string(Value::tag, scalar.tag);
      value.add_float(Value::simple_value, static_cast<float>(scalar.value));
    }
  }
  append_record(bytes);
}

void EventFile::append_record(const std::string& event) {
  std::string record;
  put_fixed(record, static_cast<std::uint64_t>(event.size()));
  put_fixed(record, masked_crc32c(record));
  record += event;
  put_fixed(record, masked_crc32c(event));
  file_.append(record);
}

}  // namespace resgrad
