-- app: Ghost (publishing)
-- orm: Bookshelf and Knex, JavaScript
-- expect: posts.created_at timestamp without time zone
-- expect: posts.featured boolean
-- expect: posts.id text
-- expect: members.email_count bigint
-- expect: members_subscribe_events.subscribed boolean
CREATE TABLE `migrations` (`id` integer not null primary key autoincrement, `name` varchar(120) not null, `version` varchar(70) not null, `currentVersion` varchar(255) null);
CREATE UNIQUE INDEX `migrations_name_version_unique` on `migrations` (`name`, `version`);
CREATE TABLE `users` (`id` varchar(24) not null, `name` varchar(191) not null, `slug` varchar(191) not null, `password` varchar(60) not null,
  `email` varchar(191) not null, `bio` text null, `status` varchar(50) not null default 'active', `visibility` varchar(50) not null default 'public',
  `comment_notifications` boolean not null default '1', `last_seen` datetime null, `created_at` datetime not null, `updated_at` datetime null, primary key (`id`));
CREATE UNIQUE INDEX `users_slug_unique` on `users` (`slug`);
CREATE TABLE `posts` (`id` varchar(24) not null, `uuid` varchar(36) not null, `title` varchar(2000) not null, `slug` varchar(191) not null,
  `mobiledoc` text null, `lexical` text null, `html` text null, `featured` boolean not null default '0', `type` varchar(50) not null default 'post',
  `status` varchar(50) not null default 'draft', `created_at` datetime not null, `updated_at` datetime null, `published_at` datetime null,
  `show_title_and_feature_image` boolean not null default '1', primary key (`id`));
CREATE UNIQUE INDEX `posts_slug_type_unique` on `posts` (`slug`, `type`);
CREATE INDEX `posts_published_at_index` on `posts` (`published_at`);
CREATE TABLE `tags` (`id` varchar(24) not null, `name` varchar(191) not null, `slug` varchar(191) not null, `created_at` datetime not null, primary key (`id`));
CREATE TABLE `posts_tags` (`id` varchar(24) not null, `post_id` varchar(24) not null, `tag_id` varchar(24) not null, `sort_order` integer not null default '0',
  foreign key(`post_id`) references `posts`(`id`), foreign key(`tag_id`) references `tags`(`id`), primary key (`id`));
CREATE TABLE `members` (`id` varchar(24) not null, `uuid` varchar(36) null, `email` varchar(191) not null, `status` varchar(50) not null default 'free' check (`status` in ('free', 'paid', 'comped')),
  `email_count` integer not null default '0', `email_open_rate` integer null, `created_at` datetime not null, primary key (`id`));
CREATE UNIQUE INDEX `members_email_unique` on `members` (`email`);
CREATE TABLE `members_subscribe_events` (`id` varchar(24) not null, `member_id` varchar(24) not null, `subscribed` boolean not null default '1', `created_at` datetime not null,
  foreign key(`member_id`) references `members`(`id`) on delete CASCADE, primary key (`id`));
CREATE TABLE `settings` (`id` varchar(24) not null, `key` varchar(50) not null, `value` text null, `created_at` datetime not null, primary key (`id`));
CREATE UNIQUE INDEX `settings_key_unique` on `settings` (`key`);
INSERT INTO migrations VALUES (1,'1-create-tables.js','init','5.80'),(2,'2-create-fixtures.js','init','5.80');
INSERT INTO users VALUES ('65e1a0000000000000000001','Ada','ada','$2a$10$abc','ada@example.org',NULL,'active','public',1,'2024-03-01 10:00:00','2024-03-01 09:00:00',NULL);
INSERT INTO posts VALUES ('65e1a0000000000000000010','3f2504e0-4f89-41d3-9a0c-0305e82c3301','Coming soon','coming-soon',NULL,'{"root":{"children":[]}}','<p>Soon &amp; more — ✓</p>',0,'post','published','2024-03-01 10:00:00','2024-03-01 10:00:00','2024-03-01 10:00:00',1),
  ('65e1a0000000000000000011','7c9e6679-7425-40de-944b-e07fc1f90ae7','About','about',NULL,NULL,NULL,1,'page','draft','2024-03-01 10:00:01',NULL,NULL,0);
INSERT INTO tags VALUES ('65e1a0000000000000000020','News','news','2024-03-01 10:00:00');
INSERT INTO posts_tags VALUES ('65e1a0000000000000000030','65e1a0000000000000000010','65e1a0000000000000000020',0);
INSERT INTO members VALUES ('65e1a0000000000000000040','16fd2706-8baf-433b-82eb-8c7fada847da','m@example.org','paid',3,66,'2024-03-01 10:00:00');
INSERT INTO members_subscribe_events VALUES ('65e1a0000000000000000050','65e1a0000000000000000040',1,'2024-03-01 10:00:00');
INSERT INTO settings VALUES ('65e1a0000000000000000060','title','Thoughts, "stories"','2024-03-01 10:00:00'),('65e1a0000000000000000061','is_private','false','2024-03-01 10:00:00');
-- following
UPDATE posts SET status = 'published', published_at = '2024-04-01 00:00:00', html = '<p></p>' WHERE slug = 'about';
DELETE FROM posts_tags WHERE post_id = '65e1a0000000000000000010';
INSERT INTO members VALUES ('65e1a0000000000000000041',NULL,'n@example.org','free',0,NULL,'2024-04-01 00:00:00');
UPDATE settings SET value = NULL WHERE "key" = 'title';
