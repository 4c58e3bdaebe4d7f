# A Rails application's models, on ActiveRecord as it is installed: what tests/system/active_record_test.cpp starts.
# URL is a SQLite file, or host=FOLDER dbname=NAME.
#   app.rb schema URL            db:schema:load
#   app.rb seed URL              rows of every column type, with values that migrations break
#   app.rb show URL              every attribute of every object, as the application has it; one JSON object
#   app.rb write URL             writes until its input ends, each kind of write that models do
#   app.rb migrate URL           a migration: a new column, a changed one, a new index
#   app.rb switching             until its input ends, through the recipe of ops/SWITCHING.md (its code comes first, by -r)
#   app.rb dump URL              schema.rb
require "active_record"
require "json"
require "bigdecimal/util"

ActiveRecord::Base.default_timezone = :utc
ActiveRecord::Migration.verbose = false

unless defined?(ApplicationRecord)
  class ApplicationRecord < ActiveRecord::Base
    self.abstract_class = true
  end
end

class Author < ApplicationRecord
  has_many :posts, dependent: :destroy
  has_one :profile
  enum role: { reader: 0, writer: 1, editor: 2 }
end

class Profile < ApplicationRecord
  belongs_to :author
end

class Post < ApplicationRecord
  belongs_to :author, counter_cache: true
  has_many :comments, as: :subject
  has_and_belongs_to_many :tags
  belongs_to :parent, class_name: "Post", optional: true
end

class LongPost < Post # single-table inheritance: column `type`
end

class Comment < ApplicationRecord
  belongs_to :subject, polymorphic: true
end

class Tag < ApplicationRecord
  has_and_belongs_to_many :posts
end

class Sample < ApplicationRecord # one column of each type
end

class Device < ApplicationRecord # a key that the application makes
  self.primary_key = "id"
end

MODELS = [Author, Profile, Post, Comment, Tag, Sample, Device].freeze

def load_schema
  ActiveRecord::Schema.define(version: 2024_01_01_000000) do
    create_table :authors do |t|
      t.string :name, null: false
      t.string :email, limit: 100
      t.integer :role, default: 0, null: false
      t.integer :posts_count, default: 0, null: false
      t.boolean :admin, default: false, null: false
      t.json :settings
      t.timestamps
      t.index :email, unique: true, where: "email IS NOT NULL"
      t.index "lower(name)", name: "index_authors_on_lower_name"
    end
    create_table :profiles do |t|
      t.references :author, null: false, foreign_key: { on_delete: :cascade }, index: { unique: true }
      t.text :about
      t.binary :picture
      t.date :born
      t.timestamps precision: 6
    end
    create_table :posts do |t|
      t.references :author, null: false, foreign_key: true
      t.references :parent, foreign_key: { to_table: :posts, on_delete: :nullify }
      t.string :type
      t.string :title, null: false
      t.text :body
      t.decimal :price, precision: 10, scale: 2
      t.datetime :published_at
      t.timestamps
      t.index %i[author_id title], unique: true
    end
    create_table :comments do |t|
      t.references :subject, polymorphic: true, null: false
      t.text :words
      t.datetime :created_at, precision: 6, null: false
    end
    create_table :tags do |t|
      t.string :name, null: false, index: { unique: true }
    end
    create_join_table :posts, :tags do |t|
      t.index %i[post_id tag_id], unique: true
    end
    create_table :samples do |t|
      t.string :a_string
      t.text :a_text
      t.integer :an_integer
      t.bigint :a_bigint
      t.float :a_float
      t.decimal :a_decimal
      t.decimal :a_price, precision: 12, scale: 4, default: "0.0"
      t.datetime :a_datetime
      t.datetime :an_instant, precision: 6
      t.timestamp :a_timestamp
      t.time :a_time
      t.date :a_date
      t.binary :a_binary
      t.boolean :a_boolean
      t.json :a_json
    end
    create_table :devices, id: :string, limit: 36 do |t|
      t.string :label
      t.datetime :seen_at
    end
  end
end

def instant(text)
  Time.iso8601(text)
end

def seed
  ann = Author.create!(name: "Ann Ångström", email: "ann@example.org", role: :editor, admin: true, settings: { "dark" => true, "size" => 1.5, "tags" => [] })
  bob = Author.create!(name: "bob", email: nil, settings: nil, created_at: instant("1999-12-31T23:59:59Z"))
  Author.create!(name: "", email: "empty@example.org", settings: [])
  Profile.create!(author: ann, about: "", picture: (0..255).map(&:chr).join.b, born: Date.new(1970, 1, 1))
  Profile.create!(author: bob, about: "line\nbreak \u{1F600}", picture: "".b, born: Date.new(2000, 2, 29))
  first = Post.create!(author: ann, title: "First", body: "x" * 5000, price: "0.10".to_d, published_at: instant("2024-02-29T12:00:00.123456Z"), tags: [Tag.new(name: "sql")])
  LongPost.create!(author: ann, parent: first, title: "Second", price: "99999999.99".to_d, published_at: instant("2024-03-01T00:00:00Z"), tags: [Tag.new(name: "Ruby"), Tag.find_by!(name: "sql")])
  Post.create!(author: bob, title: "first", price: nil, published_at: nil)
  Comment.create!(subject: first, words: "one")
  Comment.create!(subject: ann, words: nil)
  Sample.create!
  Sample.create!(a_string: "", a_text: "", an_integer: 0, a_bigint: 0, a_float: 0.0, a_decimal: 0, a_price: "0.0", a_binary: "".b, a_boolean: false, a_json: {})
  Sample.create!(a_string: "a'b\"c\\d", a_text: "tab\there ", an_integer: -2**31, a_bigint: 2**62 + 1, a_float: 0.1, a_decimal: "12345", a_price: "-12345678.0001",
                 a_datetime: instant("2024-06-30T23:59:59.999999Z"), an_instant: instant("2024-06-30T23:59:59.000001Z"), a_timestamp: instant("1901-01-01T00:00:00Z"),
                 a_time: "23:59:59", a_date: Date.new(9999, 12, 31), a_binary: "\x00\xff".b, a_boolean: true, a_json: { "n" => nil, "deep" => [1, [2, { "x" => "\u00e9" }]] })
  Sample.create!(a_string: "\u{1F680}", an_integer: 2**31 - 1, a_bigint: -2**63, a_float: 1e300, a_decimal: "-7", a_price: "0.0001", a_datetime: instant("0999-01-01T00:00:00Z"),
                 a_time: "00:00:00", a_date: Date.new(1, 1, 1), a_json: "only a text")
  Device.create!(id: "6f1ed002-ab5d-4ab5-8b33-1f1f3a3f1b1c", label: "phone", seen_at: instant("2024-01-02T03:04:05Z"))
  Device.create!(id: "plain", label: nil)
end

# As the application has it: a value's class and its exact spelling.
def shown(value)
  case value
  when Float then ["Float", [value].pack("G").unpack1("H*")]
  when BigDecimal then ["BigDecimal", value.to_s]
  when ActiveSupport::TimeWithZone, Time then ["Time", value.utc.iso8601(6)]
  when Date then ["Date", value.iso8601]
  when String then [value.encoding == Encoding::BINARY ? "Binary" : "String", value.b.unpack1("H*")]
  else [value.class.name, value]
  end
end

def show
  objects = MODELS.to_h do |model|
    [model.name, model.order(:id).map { |one| one.attributes.transform_values { |value| shown(value) }.merge("class" => one.class.name) }]
  end
  joined = Post.order(:id).map { |post| [post.id, post.tags.order(:id).pluck(:name)] }
  found = [Author.editor.count, Author.where(admin: true).count, Post.where(published_at: instant("2024-02-29T00:00:00Z")..).count, Sample.where(a_boolean: false).count,
           Sample.where("a_price < ?", 0).count, Sample.where(a_date: Date.new(9999, 12, 31)).count, Post.joins(:author).where(authors: { name: "bob" }).count, LongPost.count]
  puts JSON.generate({ objects: objects, joined: joined, found: found })
end

# One round of what models do; `n` makes it another one.
def round(n)
  ApplicationRecord.transaction do
    author = Author.create!(name: "writer #{n}", email: "w#{n}@example.org", role: n % 3, admin: n.even?, settings: { "n" => n })
    post = author.posts.create!(title: "t#{n}", price: n.to_d / 100, published_at: Time.at(1_700_000_000 + n, n % 1_000_000, :usec))
    post.tags << Tag.find_or_create_by!(name: "tag #{n % 7}")
    post.comments.create!(words: "c#{n}")
    Sample.create!(a_integer_of(n).merge(a_json: { "round" => n }, a_boolean: n % 3 == 0, a_date: Date.new(2024, 1, 1) + (n % 365), a_time: format("%02d:%02d:00", n % 24, n % 60)))
  end
  Author.where("id % 5 = ?", n % 5).update_all(updated_at: Time.now.utc.floor(6))
  Post.order(:id).last.update!(body: "body #{n}", price: nil)
  Author.order(:id).offset(3).first&.destroy if n % 10 == 9
  Sample.upsert_all([{ id: 1, a_text: "upserted #{n}" }], unique_by: :id)
  Sample.insert_all([{ a_string: "bulk #{n}", a_bigint: n }, { a_string: nil, a_bigint: -n }])
end

def a_integer_of(n)
  { an_integer: n, a_bigint: n * 1_000_003, a_float: n / 7.0, a_decimal: n, a_price: n.to_d / 10_000, an_instant: Time.at(1_700_000_000, n, :usec) }
end

def until_told
  n = Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond) % 1_000_000 * 1000
  rounds = 0
  loop do
    yield n + rounds
    rounds += 1
    break if rounds >= 3 && $stdin.wait_readable(0)
  end
  puts JSON.generate({ rounds: rounds })
end

class Second < ActiveRecord::Migration[6.1]
  def change
    add_column :authors, :bio, :text
    add_column :posts, :views, :integer, default: 0, null: false
    change_column_null :samples, :a_boolean, true
    change_column :profiles, :about, :string, limit: 1000
    add_index :comments, :created_at
    add_column :devices, :checked_on, :date
  end
end

def migrate
  return if ActiveRecord::SchemaMigration.pluck(:version).include?("20240202000000")

  Second.new.migrate(:up)
  ActiveRecord::SchemaMigration.create!(version: "20240202000000")
end

def dump
  ActiveRecord::SchemaDumper.ignore_tables += [/\A_lockstep_/]
  ActiveRecord::SchemaDumper.dump
end

def database(url)
  words = url.scan(/(\w+)=(\S+)/).to_h
  return { adapter: "sqlite3", database: url, timeout: 5000 } if words.empty?

  { adapter: "postgresql", host: words["host"], database: words["dbname"], username: "postgres" }
end

command, url = ARGV
ActiveRecord::Base.establish_connection(database(url)) if url
case command
when "schema" then load_schema
when "seed" then seed
when "show" then show
when "write" then until_told { |n| round(n) }
when "switching" then until_told { |n| Switching.transact { round(n) } }
when "migrate" then migrate
when "dump" then dump
end
