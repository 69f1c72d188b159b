CREATE DATABASE :"database";
