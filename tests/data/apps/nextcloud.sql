-- app: Nextcloud (files)
-- orm: Doctrine DBAL, PHP
-- expect: oc_filecache.fileid bigint
-- expect: oc_filecache.encrypted bigint
-- expect: oc_share.accepted bigint
-- expect: oc_comments.creation_timestamp timestamp without time zone
-- expect: oc_cards.carddata bytea
-- expect: oc_storages.available bigint
CREATE TABLE "oc_migrations" (app VARCHAR(255) NOT NULL, version VARCHAR(255) NOT NULL, PRIMARY KEY(app, version));
CREATE TABLE oc_appconfig (appid VARCHAR(32) DEFAULT '' NOT NULL, configkey VARCHAR(64) DEFAULT '' NOT NULL, configvalue CLOB DEFAULT NULL, type INTEGER UNSIGNED DEFAULT 2 NOT NULL, lazy SMALLINT UNSIGNED DEFAULT 0 NOT NULL, PRIMARY KEY(appid, configkey));
CREATE TABLE oc_storages (numeric_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, id VARCHAR(64) DEFAULT NULL, available INTEGER DEFAULT 1 NOT NULL, last_checked INTEGER DEFAULT NULL);
CREATE UNIQUE INDEX storages_id_index ON oc_storages (id);
CREATE TABLE oc_filecache (fileid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, storage BIGINT DEFAULT 0 NOT NULL, path VARCHAR(4000) DEFAULT NULL, path_hash VARCHAR(32) DEFAULT '' NOT NULL,
  parent BIGINT DEFAULT 0 NOT NULL, name VARCHAR(250) DEFAULT NULL, mimetype BIGINT DEFAULT 0 NOT NULL, size BIGINT DEFAULT 0 NOT NULL, mtime BIGINT DEFAULT 0 NOT NULL, encrypted INTEGER DEFAULT 0 NOT NULL,
  etag VARCHAR(40) DEFAULT NULL, permissions INTEGER DEFAULT 0, checksum VARCHAR(255) DEFAULT NULL);
CREATE UNIQUE INDEX fs_storage_path_hash ON oc_filecache (storage, path_hash);
CREATE INDEX fs_parent_name_hash ON oc_filecache (parent, name);
CREATE TABLE oc_share (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, share_type SMALLINT DEFAULT 0 NOT NULL, share_with VARCHAR(255) DEFAULT NULL, uid_owner VARCHAR(64) DEFAULT '' NOT NULL,
  permissions SMALLINT DEFAULT 0 NOT NULL, stime BIGINT DEFAULT 0 NOT NULL, accepted SMALLINT DEFAULT 0 NOT NULL, expiration DATETIME DEFAULT NULL, token VARCHAR(32) DEFAULT NULL, password_by_talk BOOLEAN DEFAULT 0);
CREATE TABLE oc_comments (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, parent_id BIGINT UNSIGNED DEFAULT 0 NOT NULL, actor_id VARCHAR(64) DEFAULT '' NOT NULL, message CLOB DEFAULT NULL, creation_timestamp DATETIME DEFAULT NULL, latest_child_timestamp DATETIME DEFAULT NULL);
CREATE TABLE oc_cards (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, addressbookid BIGINT DEFAULT 0 NOT NULL, carddata BLOB DEFAULT NULL, uri VARCHAR(255) DEFAULT NULL, lastmodified BIGINT UNSIGNED DEFAULT NULL);
CREATE TABLE oc_group_user (gid VARCHAR(64) DEFAULT '' NOT NULL, uid VARCHAR(64) DEFAULT '' NOT NULL, PRIMARY KEY(gid, uid));
CREATE INDEX gu_uid_index ON oc_group_user (uid);
INSERT INTO oc_migrations VALUES ('core','13000Date20170705121758'),('core','28000Date20231004103301');
INSERT INTO oc_appconfig VALUES ('core','vendor','nextcloud',2,0),('core','lastcron','1709290000',2,1),('files','empty','',2,0),('theming','x',NULL,64,0);
INSERT INTO oc_storages VALUES (1,'home::ada',1,NULL),(2,'local::/srv/data/',0,1709290000);
INSERT INTO oc_filecache VALUES (1,1,'','d41d8cd98f00b204e9800998ecf8427e',-1,'',2,-1,1709290000,0,'65e1',23,''),(2,1,'files','45b963397aa40d4a0063e0d85e4fe7a1',1,'files',2,9007199254740993,1709290000,0,'65e2',31,NULL),
  (3,1,'files/Größe 📁.txt','0ba0e0c1a5c7b9c5a40c1ed0dd8d2c5e',2,'Größe 📁.txt',4,12,1709290001,0,'65e3',27,'SHA1:da39');
INSERT INTO oc_share VALUES (1,3,NULL,'ada',17,1709290000,0,'2024-12-31 00:00:00','tok3n',0);
INSERT INTO oc_comments VALUES (1,0,'ada','Nice' || char(10) || '👍','2024-03-01 10:00:00',NULL);
INSERT INTO oc_cards VALUES (1,1,CAST('BEGIN:VCARD' || char(13,10) || 'END:VCARD' AS BLOB),'a.vcf',1709290000);
INSERT INTO oc_group_user VALUES ('admin','ada'),('users','ada');
-- following
UPDATE oc_filecache SET size = size + 1, etag = 'new' WHERE fileid IN (1, 2, 3);
INSERT INTO oc_group_user (gid, uid) SELECT 'new', 'ada' WHERE NOT EXISTS (SELECT 1 FROM oc_group_user WHERE gid = 'new');
DELETE FROM oc_share WHERE id = 1;
INSERT OR REPLACE INTO oc_appconfig VALUES ('core','lastcron','1709290300',2,1);
