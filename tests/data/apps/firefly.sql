-- app: Firefly III (money)
-- orm: Eloquent (Laravel), PHP
-- remark: Laravel says tinyint(1) for boolean: that is bigint
-- expect: transactions.amount numeric
-- expect: transaction_journals.date timestamp without time zone
-- expect: accounts.active bigint
-- expect: accounts.virtual_balance numeric
-- expect: transaction_journals.deleted_at timestamp without time zone
-- expect: piggy_banks.start_date date
CREATE TABLE "migrations" ("id" integer primary key autoincrement not null, "migration" varchar not null, "batch" integer not null);
CREATE TABLE "users" ("id" integer primary key autoincrement not null, "created_at" datetime, "updated_at" datetime, "email" varchar not null, "password" varchar not null, "remember_token" varchar, "blocked" tinyint(1) not null default '0', "mfa_secret" varchar);
CREATE UNIQUE INDEX "users_email_unique" on "users" ("email");
CREATE TABLE "account_types" ("id" integer primary key autoincrement not null, "created_at" datetime, "updated_at" datetime, "type" varchar not null);
CREATE TABLE "accounts" ("id" integer primary key autoincrement not null, "created_at" datetime, "updated_at" datetime, "deleted_at" datetime, "user_id" integer not null, "account_type_id" integer not null, "name" varchar not null, "virtual_balance" numeric, "iban" varchar, "active" tinyint(1) not null default '1', "order" integer not null default '0',
  foreign key("user_id") references "users"("id") on delete cascade, foreign key("account_type_id") references "account_types"("id") on delete cascade);
CREATE TABLE "transaction_journals" ("id" integer primary key autoincrement not null, "created_at" datetime, "updated_at" datetime, "deleted_at" datetime, "user_id" integer not null, "description" varchar not null, "date" datetime not null, "interest_date" date, "completed" tinyint(1) not null default '1', foreign key("user_id") references "users"("id") on delete cascade);
CREATE INDEX "transaction_journals_date_index" on "transaction_journals" ("date");
CREATE TABLE "transactions" ("id" integer primary key autoincrement not null, "created_at" datetime, "updated_at" datetime, "account_id" integer not null, "transaction_journal_id" integer not null, "description" varchar, "amount" numeric not null, "foreign_amount" numeric, "reconciled" tinyint(1) not null default '0', foreign key("account_id") references "accounts"("id") on delete cascade);
CREATE TABLE "piggy_banks" ("id" integer primary key autoincrement not null, "created_at" datetime, "account_id" integer not null, "name" varchar not null, "target_amount" numeric, "start_date" date, "target_date" date, "order" integer not null default '0');
CREATE TABLE "failed_jobs" ("id" integer primary key autoincrement not null, "uuid" varchar not null, "connection" text not null, "payload" text not null, "failed_at" datetime not null default CURRENT_TIMESTAMP);
CREATE TABLE "cache" ("key" varchar not null, "value" text not null, "expiration" integer not null, primary key ("key"));
INSERT INTO migrations VALUES (1,'2016_06_16_000000_create_support_tables',1);
INSERT INTO users VALUES (1,'2024-03-01 10:00:00','2024-03-01 10:00:00','ada@example.org','$2y$10$x',NULL,0,NULL);
INSERT INTO account_types VALUES (1,'2024-03-01 10:00:00','2024-03-01 10:00:00','Asset account'),(2,NULL,NULL,'Expense account');
INSERT INTO accounts VALUES (1,'2024-03-01 10:00:00','2024-03-01 10:00:00',NULL,1,1,'Checking',0,'DE89370400440532013000',1,0),(2,'2024-03-01 10:00:00','2024-03-01 10:00:00','2024-03-09 10:00:00',1,2,'Bäcker',12.5,NULL,1,1);
INSERT INTO transaction_journals VALUES (1,'2024-03-01 10:00:00','2024-03-01 10:00:00',NULL,1,'Bread','2024-03-01 00:00:00',NULL,1),(2,'2024-03-01 10:00:00','2024-03-01 10:00:00','2024-03-02 00:00:00',1,'Mistake','2024-02-29 00:00:00','2024-03-01',0);
INSERT INTO transactions VALUES (1,'2024-03-01 10:00:00','2024-03-01 10:00:00',1,1,NULL,'-3.45',NULL,0),(2,'2024-03-01 10:00:00','2024-03-01 10:00:00',2,1,NULL,'3.450000000000',NULL,0),(3,NULL,NULL,1,2,'x','-100','-108.99',1);
INSERT INTO piggy_banks VALUES (1,'2024-03-01 10:00:00',1,'Bike','1500','2024-03-01',NULL,1);
INSERT INTO failed_jobs VALUES (1,'6ba7b810-9dad-41d1-80b4-00c04fd430c8','database','{"displayName":"App\\Jobs\\X"}','2024-03-01 10:00:00');
INSERT INTO cache VALUES ('laravel_cache:x','s:5:"hello";',1709290000);
-- following
UPDATE transactions SET amount = '-3.99', updated_at = '2024-05-01 00:00:00' WHERE id = 1;
UPDATE accounts SET deleted_at = '2024-05-01 00:00:00' WHERE id = 1;
DELETE FROM cache WHERE "key" = 'laravel_cache:x';
INSERT INTO cache VALUES ('laravel_cache:y','i:1;',1709290001) ON CONFLICT("key") DO UPDATE SET value = excluded.value;
DELETE FROM users WHERE id = 99;
