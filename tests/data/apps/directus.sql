-- app: Directus (headless CMS)
-- orm: Knex, JavaScript
-- result: refused LS-A101
-- remark: one datetime column holds milliseconds since 1970 (written by Knex) and texts (the column's DEFAULT): refused until one line of the configuration says that both are moments ("type": "epoch-ms"; assess prints it)
CREATE TABLE `directus_migrations` (`version` varchar(255) not null, `name` varchar(255) not null, `timestamp` datetime default CURRENT_TIMESTAMP, primary key (`version`));
CREATE TABLE `directus_users` (`id` char(36) not null, `first_name` varchar(50), `email` varchar(128), `tags` json, `status` varchar(16) not null default 'active', `last_access` datetime, `email_notifications` boolean default '1', primary key (`id`));
CREATE UNIQUE INDEX `directus_users_email_unique` on `directus_users` (`email`);
CREATE TABLE `directus_activity` (`id` integer not null primary key autoincrement, `action` varchar(45) not null, `user` char(36), `timestamp` datetime not null default CURRENT_TIMESTAMP, `ip` varchar(50), `collection` varchar(64) not null);
CREATE TABLE `directus_settings` (`id` integer not null primary key autoincrement, `project_name` varchar(100) not null default 'Directus', `storage_asset_transform` varchar(7) default 'all', `basemaps` json);
CREATE TABLE `articles` (`id` integer not null primary key autoincrement, `title` varchar(255) null, `date_created` datetime, `price` float);
INSERT INTO directus_migrations VALUES ('20201028A','Remove Collection Foreign Keys','2024-03-01 10:00:00'),('20210225A','Add Relations Sort Field','2024-03-01 10:00:01');
INSERT INTO directus_users VALUES ('9f2c3a4b-5d6e-4f70-8192-a3b4c5d6e7f8','Admin','admin@example.com',NULL,'active',1709290000123,1);
INSERT INTO directus_activity VALUES (1,'login','9f2c3a4b-5d6e-4f70-8192-a3b4c5d6e7f8',1709290000123,'::1','directus_users');
INSERT INTO directus_activity (action, user, collection) VALUES ('create', NULL, 'articles');
INSERT INTO directus_settings VALUES (1,'Directus','all',NULL);
INSERT INTO articles VALUES (1,'One',1709290000999,1.5);
